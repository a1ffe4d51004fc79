"""What every store promises, asked of each one in the registry."""

import asyncio
import base64
import os
import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.adapters.store import STORES
from app.core.ids import OrganizationId, new_id
from app.core.settings import Settings
from app.ports.store import Database, StoreConflict, StoreRefused, StoreUnavailable
from tests.support.pgbouncer import running_pgbouncer

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncIterator[Database]:
    """The database of these settings, which this store and no other claims."""
    claimed = next(store for store in STORES.values() if store.claims(settings))
    assert claimed.name == name
    async with claimed.open(settings) as database:
        yield database


@pytest.fixture(scope="module")
async def embedded() -> AsyncIterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with opened(Settings(data_dir=Path(folder, "data")), "embedded") as database:
            yield database


@pytest.fixture
async def postgres(postgres_settings) -> AsyncIterator[Database]:
    async with opened(postgres_settings, "postgres") as database:
        yield database


@pytest.fixture
async def postgres_through_a_pooler(cluster, database_name, tmp_path) -> AsyncIterator[Database]:
    async with running_pgbouncer(cluster) as port:
        url = SecretStr(f"postgresql://postgres@127.0.0.1:{port}/{database_name}?pgbouncer=true")
        settings = Settings(database_url=url, data_dir=tmp_path)
        async with opened(settings, "postgres") as database:
            yield database


@pytest.fixture
async def supabase(supabase_settings) -> AsyncIterator[Database]:
    async with opened(supabase_settings, "supabase") as database:
        yield database


@pytest.fixture(params=[*STORES, "postgres_through_a_pooler"])
def database(request) -> Database:
    return request.getfixturevalue(request.param)


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
        await scope.call("rows_find_v1", table="processes")


async def test_a_tenants_function_cannot_be_called_without_an_organization(database):
    with pytest.raises(StoreRefused):
        await database.system().call("rows_find_v1", table="agents")


async def test_the_pool_cannot_read_a_table_directly(database):
    with pytest.raises(ValueError, match="plain name"):
        await database.system().call("rows_find_v1(null, null); select * from agentes.agents; --")


async def test_what_cannot_be_stored_is_refused(database):
    scope = database.scoped(await an_organization(database))
    for row in (a_base(name="a\x00b"), a_base(name="\ud800"), a_base(id="no id"), {"id": None}):
        with pytest.raises(StoreRefused):
            await scope.call("row_insert_v1", table="knowledge_bases", row=row)
    with pytest.raises(StoreRefused):
        await scope.call("rows_find_v1", table="knowledge_bases", limit=2**40)
    assert await scope.call("rows_find_v1", table="knowledge_bases") == []


async def test_what_is_absent_is_none(database):
    scope = database.scoped(await an_organization(database))
    assert await scope.call("file_get_v1", key="none") is None
    assert await scope.call("rows_find_v1", table="knowledge_bases", after=None, text=None) == []
    assert await database.system().call("api_key_find_v1", public_id="none") is None


async def test_the_largest_file_comes_back_whole(database):
    scope = database.scoped(await an_organization(database))
    content = random.Random(1).randbytes(25 << 20)
    await scope.call("file_put_v1", key="k", content_base64=base64.b64encode(content).decode())
    assert base64.b64decode(await scope.call("file_get_v1", key="k")) == content


async def test_calls_of_two_organizations_at_once_stay_apart(database):
    scopes = [database.scoped(await an_organization(database)) for _ in range(2)]
    for number, scope in enumerate(scopes):
        await scope.call("row_insert_v1", table="knowledge_bases", row=a_base(name=str(number)))

    async def names(number: int) -> tuple[int, list[str]]:
        rows = await scopes[number].call("rows_find_v1", table="knowledge_bases")
        return number, [row["name"] for row in rows]

    for number, found in await asyncio.gather(*(names(n % 2) for n in range(60))):
        assert found == [str(number)]


async def test_a_database_that_answers_is_pinged(database):
    await database.ping()


async def test_a_database_that_cannot_be_reached_is_unavailable(cluster, database_name, tmp_path):
    url = f"postgresql://postgres@/{database_name}?host={tmp_path}&port=1"
    wanted = Settings(database_url=SecretStr(url), data_dir=tmp_path)
    async with STORES["postgres"].open(wanted) as database:
        with pytest.raises(StoreUnavailable):
            await database.ping()
        with pytest.raises(StoreUnavailable):
            await database.system().call("events_number_v1")
