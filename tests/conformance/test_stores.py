"""What every store promises, asked of each one in the registry."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.adapters.store import STORES
from app.core.ids import OrganizationId, new_id
from app.core.settings import Settings
from app.ports.store import Database, StoreConflict, StoreRefused, StoreUnavailable

pytestmark = pytest.mark.anyio


def settings_for(name: str, url: str, folder: Path) -> Settings:
    """Settings that this store claims."""
    database_url = SecretStr(url) if name == "postgres" else None
    return Settings(database_url=database_url, data_dir=folder)


@pytest.fixture(params=sorted(STORES))
async def database(request, cluster, database_name) -> AsyncIterator[Database]:
    url = f"postgresql://postgres@/{database_name}?host={cluster.socket_dir}&port={cluster.port}"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        settings = settings_for(request.param, url, Path(folder, "data"))
        claimed = next(store for store in STORES.values() if store.claims(settings))
        assert claimed.name == request.param
        async with claimed.open(settings) as database:
            yield database


async def an_organization(database: Database) -> OrganizationId:
    row = await database.system().call(
        "organization_ensure_v1", id=new_id(), slug=new_id(), name="O"
    )
    return OrganizationId(row["id"])


def a_base(**fields):
    return {"id": new_id(), "name": "B", "language": "pt-BR", "chunking": {}} | fields


async def test_a_row_comes_back_as_it_went_in(database):
    scope = database.scoped(await an_organization(database))
    row = a_base(name="Ação 😀 'x' \\ \"", chunking={"size": 1, "nested": [None, 1.5, "ç"]})
    made = await scope.call("row_insert_v1", table="knowledge_bases", row=row)
    found = await scope.call("rows_find_v1", table="knowledge_bases", where={"id": row["id"]})
    assert found == [made]
    assert made["name"] == row["name"]
    assert made["chunking"] == row["chunking"]


async def test_one_organization_never_sees_the_rows_of_another(database):
    mine = database.scoped(await an_organization(database))
    theirs = database.scoped(await an_organization(database))
    row = a_base()
    await theirs.call("row_insert_v1", table="knowledge_bases", row=row)
    assert await mine.call("rows_find_v1", table="knowledge_bases") == []
    changes = {"name": "stolen"}
    assert (
        await mine.call("row_update_v1", table="knowledge_bases", id=row["id"], changes=changes)
        is None
    )
    assert await mine.call("row_delete_v1", table="knowledge_bases", id=row["id"]) is False
    assert len(await theirs.call("rows_find_v1", table="knowledge_bases")) == 1


async def test_a_value_that_is_taken_is_a_conflict(database):
    scope = database.scoped(await an_organization(database))
    row = a_base()
    await scope.call("row_insert_v1", table="knowledge_bases", row=row)
    with pytest.raises(StoreConflict):
        await scope.call("row_insert_v1", table="knowledge_bases", row=row)


async def test_conditions_are_values_and_never_sql(database):
    scope = database.scoped(await an_organization(database))
    await scope.call("row_insert_v1", table="knowledge_bases", row=a_base(name="it's"))
    hostile = "x'; drop table agentes.agents; --"
    assert await scope.call("rows_find_v1", table="knowledge_bases", where={"name": hostile}) == []
    assert (
        len(await scope.call("rows_find_v1", table="knowledge_bases", where={"name": "it's"})) == 1
    )
    with pytest.raises(StoreRefused):
        await scope.call("rows_find_v1", table="knowledge_bases", where={"1=1 --": "x"})
    with pytest.raises(StoreRefused):
        await scope.call("rows_find_v1", table="api_keys")


async def test_a_tenants_function_cannot_be_called_without_an_organization(database):
    with pytest.raises(StoreRefused):
        await database.system().call("rows_find_v1", table="agents")


async def test_the_pool_cannot_read_a_table_directly(database):
    with pytest.raises(ValueError, match="plain name"):
        await database.system().call("rows_find_v1(null, null); select * from agentes.agents; --")


async def test_a_database_that_cannot_be_reached_is_unavailable(cluster, database_name, tmp_path):
    url = f"postgresql://postgres@/{database_name}?host={tmp_path}&port=1"
    async with STORES["postgres"].open(settings_for("postgres", url, tmp_path)) as database:
        with pytest.raises(StoreUnavailable):
            await database.ping()
        with pytest.raises(StoreUnavailable):
            await database.system().call("events_number_v1")
