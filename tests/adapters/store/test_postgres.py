"""A PostgreSQL of one's own, reached directly and through a transaction pooler."""

import asyncio

import asyncpg
import pytest
from pydantic import SecretStr

from app.adapters.store.connections import POOL_SIZE
from app.adapters.store.postgres import migrate_postgres, open_postgres
from app.adapters.store.schema import FunctionsStrayed, SchemaOutdated
from app.core.ids import OrganizationId, new_id
from app.core.settings import Settings
from app.ports.store import StoreConflict, StoreRefused, StoreUnavailable
from tests.conftest import connect, database_url
from tests.support.pgbouncer import running_pgbouncer

pytestmark = pytest.mark.anyio


def settings_of(url: str) -> Settings:
    return Settings(database_url=SecretStr(url))


@pytest.fixture
def sessions() -> int:
    return 1


@pytest.fixture
async def pooler(cluster, sessions):
    """The address of a pooler that has so many sessions for all."""
    async with running_pgbouncer(cluster, pool_size=sessions) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}"


def a_base(name: str) -> dict[str, object]:
    return {"id": new_id(), "name": name, "language": "pt", "chunking": {}}


async def an_organization(database) -> OrganizationId:
    row = await database.system().call(
        "organization_ensure_v1", id=new_id(), slug=new_id(), name="O"
    )
    return OrganizationId(row["id"])


async def test_nobody_at_the_address_is_waited_for_and_unavailable_until_then(tmp_path):
    settings = settings_of(f"postgresql://postgres@/x?host={tmp_path}&port=1")
    async with open_postgres(settings) as database:
        with pytest.raises(StoreUnavailable):
            await database.ping()


@pytest.mark.parametrize("address", ["u:pa/s3cret@h/db", "u:x@s3cret@h:s3cret/db", "u:x@[s3cret"])
async def test_an_address_that_cannot_be_read_is_refused_without_being_repeated(address):
    # Past the check of the settings, which may know less of addresses than the driver.
    settings = Settings.model_construct(database_url=SecretStr(f"postgresql://{address}"))
    with pytest.raises(StoreRefused) as refused:
        async with open_postgres(settings):
            pass
    assert "DATABASE_URL" in str(refused.value)
    assert "s3cret" not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_calls_are_made_as_the_role_that_reads_nothing(postgres_settings):
    async with open_postgres(postgres_settings) as database:
        assert await database.fetch("select current_user::text") == "agentes_app"


async def test_a_user_who_may_only_call_is_served_and_told_what_is_missing(
    cluster, database_name, connection
):
    settings = settings_of(database_url(cluster, database_name, "agentes_app"))
    async with open_postgres(settings) as database:
        await an_organization(database)
    await connection.execute("delete from agentes.migrations")
    with pytest.raises(SchemaOutdated, match=r"20261124001100.*python main.py migrate"):
        async with open_postgres(settings):
            pass


async def test_a_user_who_cannot_hand_functions_back_does_not_serve_over_strayed_ones(
    cluster, database_name, connection
):
    """A superuser has restored the database without owners, or all but the owners' last command."""
    settings = settings_of(database_url(cluster, database_name, "agentes_app"))
    for function in ("agentes.audit()", "public.functions_strayed_v1()"):
        await connection.execute(f"alter function {function} owner to postgres")
    with pytest.raises(FunctionsStrayed, match=r"functions \(2\).*python main.py migrate"):
        async with open_postgres(settings):
            pass
    await migrate_postgres(settings_of(database_url(cluster, database_name)))
    async with open_postgres(settings) as database:
        await an_organization(database)


async def test_an_empty_database_is_migrated_through_a_pooler(cluster, pooler):
    name = f"t_{new_id().replace('-', '')}"
    server = await connect(cluster)
    await server.execute(f"create database {name}")
    applied = await migrate_postgres(settings_of(f"{pooler}/{name}"))
    assert applied[0] == "20261124000100_create_foundation"
    assert await migrate_postgres(settings_of(f"{pooler}/{name}")) == []
    await server.execute(f"drop database {name} with (force)")
    await server.close()


@pytest.mark.parametrize("sessions", [1, 3])
async def test_through_a_pooler_no_call_leaves_a_trace_for_the_next(pooler, database_name):
    """A thousand interleaved calls of two organizations share the sessions of the server."""
    async with open_postgres(settings_of(f"{pooler}/{database_name}")) as database:
        scopes = [database.scoped(await an_organization(database)) for _ in range(2)]
        rows = [a_base("0"), a_base("1")]
        for scope, row in zip(scopes, rows, strict=True):
            await scope.call("row_insert_v1", table="knowledge_bases", row=row)
        wrong = []

        async def ask(number: int) -> None:
            mine = number % 2
            if number % 10 == 0:  # failures in between, each rolled back
                with pytest.raises(StoreConflict):
                    await scopes[mine].call(
                        "row_insert_v1", table="knowledge_bases", row=rows[mine]
                    )
            found = await scopes[mine].call("rows_find_v1", table="knowledge_bases")
            wrong.extend(row for row in found if row["name"] != str(mine))

        async def client(first: int) -> None:
            for number in range(first, 1000, 20):
                await ask(number)

        async with asyncio.TaskGroup() as clients:
            for first in range(20):
                clients.create_task(client(first))
        assert wrong == []
        assert await database.fetch("select current_user::text") == "agentes_app"
        bare = await asyncpg.connect(f"{pooler}/{database_name}", statement_cache_size=0)
        left = "select current_user::text, coalesce(current_setting('app.org', true), '')"
        assert tuple(await bare.fetchrow(left)) == ("postgres", "")
        await bare.close()


async def test_through_a_pooler_a_call_that_is_given_up_is_rolled_back(pooler, database_name):
    async with open_postgres(settings_of(f"{pooler}/{database_name}")) as database:
        organization = await an_organization(database)
        slow = asyncio.ensure_future(database.fetch("select pg_sleep(30)"))
        await asyncio.sleep(0.3)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        async with asyncio.timeout(5):
            assert await database.scoped(organization).call("file_get_v1", key="k") is None


async def test_more_calls_than_connections_are_all_answered_and_none_stays_taken(
    cluster, database_name
):
    async with open_postgres(settings_of(database_url(cluster, database_name))) as database:
        await asyncio.gather(*(database.ping() for _ in range(3 * POOL_SIZE)))
        counted = database.connections()
        assert counted["used"] == 0
        assert 0 < counted["idle"] <= POOL_SIZE


async def test_connections_at_hand_that_the_server_has_ended_are_not_used(
    cluster, database_name, connection
):
    async with open_postgres(settings_of(database_url(cluster, database_name))) as database:
        await asyncio.gather(*(database.ping() for _ in range(3)))
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        while any(database.connections().values()):
            await asyncio.sleep(0.01)
        await database.ping()
        assert database.connections() == {"idle": 1, "used": 0}


async def test_connections_that_nobody_needs_any_more_are_closed(
    cluster, database_name, monkeypatch
):
    monkeypatch.setattr("app.adapters.store.at_hand.RETURNED_EVERY_S", 0.05)
    monkeypatch.setattr("app.adapters.store.connections.UNUSED_S", 0.3)
    async with open_postgres(settings_of(database_url(cluster, database_name))) as database:
        await asyncio.gather(*(database.ping() for _ in range(5)))
        assert database.connections() == {"idle": 5, "used": 0}
        async with asyncio.timeout(10):
            while database.connections() != {"idle": 1, "used": 0}:
                await database.ping()
                await asyncio.sleep(0.02)


async def test_connections_come_back_in_an_order_that_lets_the_others_rest(
    cluster, database_name, monkeypatch
):
    monkeypatch.setattr("app.adapters.store.at_hand.RETURNED_EVERY_S", 0.5)
    async with open_postgres(settings_of(database_url(cluster, database_name))) as database:
        await asyncio.gather(*(database.ping() for _ in range(3)))
        await asyncio.sleep(0.5)
        # All three go back to the pool with the first of these.
        pids = [await database.fetch("select pg_backend_pid()") for _ in range(3)]
        assert len(set(pids)) == 1
        assert database.connections() == {"idle": 3, "used": 0}
