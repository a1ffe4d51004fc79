"""A Supabase project: its schema, its key, and whatever may answer in its place."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest
from pydantic import SecretStr

from app.adapters.store.migrations import read_migrations
from app.adapters.store.schema import FunctionsStrayed, SchemaOutdated
from app.adapters.store.supabase import POOL_SIZE, open_supabase
from app.core.settings import Settings
from app.ports.store import Database, StoreConflict, StoreRefused, StoreUnavailable
from tests.support.completions_server import CompletionsServer, Script, completions_server
from tests.support.log_lines import log_lines
from tests.support.service import ROOT, free_port
from tests.support.supabase_lite import JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, token

pytestmark = pytest.mark.anyio
JSON = "application/json; charset=utf-8"
FUNCTIONS = """
select p.proname as name, p.proargnames as arguments
  from pg_proc p where p.pronamespace = 'public'::regnamespace
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
"""


def project(url: str, key: str = SECRET_KEY) -> Settings:
    return Settings(supabase_url=url, supabase_service_key=SecretStr(key))


@asynccontextmanager
async def project_that(does: Script) -> AsyncIterator[tuple[Database, CompletionsServer]]:
    """A project with the newest schema that does this at every later call."""

    async with (
        completions_server(newest, newest, does) as server,
        open_supabase(project(server.url.removesuffix("/v1"))) as database,
    ):
        yield database, server


async def why_not(settings: Settings) -> str:
    """What a service with these settings says as it does not start."""
    with pytest.raises(
        (FunctionsStrayed, SchemaOutdated, StoreRefused, StoreUnavailable)
    ) as failure:
        async with open_supabase(settings):
            pass
    assert settings.supabase_service_key.get_secret_value() not in str(failure.value)
    return str(failure.value)


async def test_a_database_without_the_schema_is_told_with_the_command(connection, supabase_url):
    await connection.execute("drop function public.migrations_list_v1()")
    told = await why_not(project(supabase_url))
    assert "has no schema" in told
    assert "`supabase db push`" in told
    assert "`python main.py migrate` with DATABASE_URL" in told


async def test_an_older_schema_is_told_with_what_it_lacks(connection, supabase_url):
    await connection.execute("delete from agentes.migrations")
    told = await why_not(project(supabase_url))
    assert "lacks the migrations 20261124001100" in told
    assert "`supabase db push`" in told


async def test_functions_that_a_restore_has_left_with_somebody_else_are_not_served(
    connection, supabase_url
):
    await connection.execute("alter function agentes.audit() owner to postgres")
    told = await why_not(project(supabase_url))
    assert "The database of SUPABASE_URL has functions (1)" in told
    assert "python main.py migrate" in told


async def test_a_newer_schema_serves(connection, supabase_url):
    await connection.execute("select agentes.migration_applied('29991231235959')")
    async with open_supabase(project(supabase_url)) as database:
        await database.ping()


@pytest.mark.parametrize("key", [PUBLISHABLE_KEY, "sb_secret_of_another_project"])
async def test_a_key_that_may_not_call_is_told(key, supabase_url):
    assert "SUPABASE_SERVICE_KEY" in await why_not(project(supabase_url, key))


async def test_nobody_at_the_address_is_told_and_waited_for():
    with log_lines() as lines:
        async with open_supabase(project(f"http://127.0.0.1:{free_port()}")) as database:
            with pytest.raises(StoreUnavailable):
                await database.ping()
    (told,) = (line for line in lines if line["event"] == "database_awaited")
    assert "SUPABASE_URL does not answer" in told["reason"]


async def pinged(database: Database) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(StoreUnavailable):
                return await database.ping()
            await asyncio.sleep(0.05)


async def down(exchange):
    told = b'{"code":"PGRST001","message":"Database client error. Retrying the connection."}'
    await exchange.answer("503 Service Unavailable", told, f"content-type: {JSON}")


async def newest(exchange):
    versions = [migration.version for migration in read_migrations()]
    told = 0 if "/functions_strayed_v1" in exchange.headers else versions
    await exchange.answer("200 OK", json.dumps(told).encode(), f"content-type: {JSON}")


async def test_a_project_that_is_down_at_the_start_is_served_once_it_is_back():
    prepared: list[Database] = []

    async def arrived(database: Database) -> None:
        await database.ping()
        prepared.append(database)

    async with (
        completions_server(down, down, newest) as server,
        open_supabase(project(server.url.removesuffix("/v1")), arrived) as database,
    ):
        assert prepared == []
        with pytest.raises(StoreUnavailable):
            await database.ping()
        await pinged(database)
        assert len(prepared) == 1


async def test_a_project_that_comes_back_without_a_schema_ends_what_waits_for_it():
    async def empty(exchange):
        await exchange.answer("200 OK", b"[]", f"content-type: {JSON}")

    async with completions_server(down, empty) as server:
        with pytest.raises(SchemaOutdated, match="supabase db push"):
            async with open_supabase(project(server.url.removesuffix("/v1"))):
                await asyncio.sleep(20)


async def test_functions_that_the_gateway_has_not_read_yet_are_waited_for():
    async def unknown(exchange):
        told = b'{"code":"PGRST202","message":"Could not find the function"}'
        await exchange.answer("404 Not Found", told, f"content-type: {JSON}")

    async def arrived(database: Database) -> None:
        await database.system().call("lasting_key_read_v1")

    async with (
        completions_server(newest, newest, unknown, newest) as server,
        open_supabase(project(server.url.removesuffix("/v1")), arrived) as database,
    ):
        await pinged(database)


async def test_no_browser_may_call_any_function(connection, supabase_url):
    """Neither with the publishable key nor signed in, and nobody reads a table."""
    functions = await connection.fetch(FUNCTIONS)
    assert len(functions) > 20
    async with httpx2.AsyncClient(base_url=f"{supabase_url}/rest/v1", timeout=20) as browser:
        for bearer in (PUBLISHABLE_KEY, token("anon"), token("authenticated")):
            headers = {"apikey": PUBLISHABLE_KEY, "Authorization": f"Bearer {bearer}"}
            for function in functions:
                answer = await browser.post(
                    f"/rpc/{function['name']}",
                    json=dict.fromkeys(function["arguments"] or ()),
                    headers=headers,
                )
                refused = (answer.status_code in (401, 403), answer.json().get("code"))
                assert refused == (True, "42501"), function["name"]
            for schema in ("agentes", "supabase_migrations"):
                profile = {"Accept-Profile": schema, **headers}
                answer = await browser.get("/api_keys", headers=profile)
                assert answer.status_code == 406, answer.text


async def test_the_service_key_may_call_where_a_browser_may_not(supabase_url):
    async with httpx2.AsyncClient(base_url=f"{supabase_url}/rest/v1", timeout=20) as service:
        for headers in ({}, {"apikey": "sb_secret_guessed"}, {"Authorization": SECRET_KEY}):
            answer = await service.post("/rpc/migrations_list_v1", json={}, headers=headers)
            assert answer.status_code == 401, answer.text
        answer = await service.post(
            "/rpc/migrations_list_v1", json={}, headers={"apikey": SECRET_KEY}
        )
    assert answer.json()[0] == "20261124001100"
    assert JWT_SECRET not in answer.text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, b'{"code": "23505", "message": "duplicate key"}', StoreConflict),
        (500, b'{"code": "57014", "message": "statement timeout"}', StoreUnavailable),
        (405, b'{"code": "25006", "message": "read-only"}', StoreUnavailable),
        (503, b'{"code": "53300", "message": "too many connections"}', StoreUnavailable),
        (503, b'{"code": "PGRST002", "message": "schema cache"}', StoreUnavailable),
        (504, b'{"code": "PGRST003", "message": "pool"}', StoreUnavailable),
        (429, b'{"message": "slow down"}', StoreUnavailable),
        (502, b"<html>Bad gateway</html>", StoreUnavailable),
        (520, b"", StoreUnavailable),
        (500, b'{"code": "P0002", "message": "no rows"}', StoreRefused),
        (400, b'{"code": "22P02", "message": "no uuid"}', StoreRefused),
        (404, b'{"code": "PGRST202", "message": "no function"}', StoreRefused),
        (404, b"<html>Not here</html>", StoreRefused),
        (200, b"<html>Welcome</html>", StoreRefused),
        (307, b"", StoreRefused),
    ],
)
async def test_every_answer_that_is_none_is_a_failure_of_the_port(status, body, kind):
    """Asked once, as a call may have had its effect; and told without the other side's words."""

    async def refuse(exchange):
        await exchange.answer(f"{status} X", body, "location: /elsewhere")

    async with project_that(refuse) as (database, server):
        with pytest.raises(kind) as failure:
            await database.ping()
    assert len(server.requests) == 3
    assert failure.value.detail is None
    assert (kind is StoreUnavailable) == ("Retry-After" in failure.value.headers)


async def test_who_asks_for_patience_is_given_it():
    async def slow_down(exchange):
        await exchange.answer("429 Too Many Requests", b"", "retry-after: 7")

    async with project_that(slow_down) as (database, _):
        with pytest.raises(StoreUnavailable) as failure:
            await database.ping()
    assert failure.value.headers == {"Retry-After": "7"}


async def test_a_connection_that_breaks_is_unavailable():
    async def hang_up(exchange):
        exchange.reset()

    async with project_that(hang_up) as (database, server):
        with pytest.raises(StoreUnavailable):
            await database.ping()
    assert len(server.requests) == 3


async def test_calls_that_find_no_free_connection_are_told_soon():
    async def stall(exchange):
        await exchange.until_closed()

    async with project_that(stall) as (database, _), asyncio.timeout(8):
        calls = [asyncio.ensure_future(database.ping()) for _ in range(POOL_SIZE + 5)]
        done, stalled = await asyncio.wait(calls, timeout=4)
        for call in stalled:
            call.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)
    assert len(done) == 5
    assert {type(call.exception()) for call in done} == {StoreUnavailable}


def test_the_client_is_imported_only_where_it_is_used():
    code = "import sys, main; print('supabase' in sys.modules)"
    ran = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, check=True)
    assert ran.stdout.strip() == b"False"
