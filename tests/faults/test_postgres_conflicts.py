"""PG-6: calls that lose against others are tried again, a few times and with jitter."""

import asyncio
import time
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

from app.adapters.store import STORES
from app.ports.store import StoreUnavailable
from tests.conftest import connect, serving
from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    USAGE,
    completions_server,
    delta,
    finish,
)
from tests.support.stories import an_agent, asking, stream

pytestmark = pytest.mark.anyio
ALWAYS_LOSES = """
create sequence public.attempts;
grant usage on sequence public.attempts to agentes_app;
create function public.always_loses_v1() returns jsonb language plpgsql as $$
begin
  perform nextval('public.attempts');
  raise exception 'lost' using errcode = '{code}';
end $$;
grant execute on function public.always_loses_v1() to agentes_app;
"""
WAITING = "select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'"


@asynccontextmanager
async def client_of(settings):
    async with serving(settings) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            yield client


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_pg6_a_call_that_always_loses_is_made_four_times_and_then_unavailable(
    settings, connection, code
):
    await connection.execute(ALWAYS_LOSES.format(code=code))
    async with STORES["postgres"].open(settings) as database:
        started_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await database.system().call("always_loses_v1")
        assert time.monotonic() - started_s < 1
    assert caught.value.headers["Retry-After"]
    assert await connection.fetchval("select last_value from public.attempts") == 4


async def test_pg6_writers_of_one_row_that_cannot_be_serialized_all_get_through(
    settings, cluster, database_name
):
    server = await connect(cluster)
    await server.execute(
        f"alter database {database_name} set default_transaction_isolation = 'repeatable read'"
    )
    async with client_of(settings) as client:
        agent = await an_agent(client)
        path = f"/api/v2/agents/{agent['id']}"

        async def change(number: int) -> int:
            return (await client.patch(path, json={"name": f"Ana {number}"})).status_code

        for _ in range(4):
            statuses = await asyncio.gather(*(change(number) for number in range(8)))
            assert set(statuses) <= {200, 503, 409}
            assert statuses.count(200) >= 4
    await asyncio.sleep(0)
    rolled_back = "select xact_rollback from pg_stat_database where datname = $1"
    async with asyncio.timeout(5):
        while not await server.fetchval(rolled_back, database_name):
            await asyncio.sleep(0.05)
    await server.close()


async def test_pg6_an_answer_whose_end_meets_a_deadlock_is_kept_and_done(
    settings, connection, cluster, database_name
):
    may_end = asyncio.Event()

    async def script(exchange):
        await exchange.send(STREAM_HEAD, delta("Olá"))
        await may_end.wait()
        await exchange.send(finish(), USAGE, DONE)

    async with completions_server(script) as model:
        variables = {"OPENAI_API_KEY": SecretStr("k"), "OPENAI_BASE_URL": SecretStr(model.url)}
        with_model = settings.model_copy(update={"provider_variables": variables})
        async with client_of(with_model) as client:
            agent = await an_agent(client, model_id="openai/test")
            following = asyncio.ensure_future(stream(client, agent["id"], asking("Oi")))
            async with asyncio.timeout(10):
                while not model.requests:
                    await asyncio.sleep(0.01)
            await _meet_in_a_deadlock(connection, cluster, database_name, may_end)
            events = await following
    assert events[-1]["event"] == "done"
    kept = await connection.fetchrow(
        "select r.status, m.content from agentes.runs r"
        " join agentes.messages m on m.id = r.message_id"
    )
    assert tuple(kept) == ("completed", "Olá")


async def _meet_in_a_deadlock(
    connection: asyncpg.Connection, cluster, database_name: str, may_end: asyncio.Event
) -> None:
    """Hold the message, wait until the service holds the run, then ask for the run too."""
    watching = await connect(cluster)
    async with connection.transaction():
        await connection.execute("select from agentes.messages where role = 'assistant' for update")
        may_end.set()
        async with asyncio.timeout(10):
            while not await watching.fetchval(WAITING, database_name):
                await asyncio.sleep(0.02)
        # The one that has waited longer finds the deadlock and is the one that loses: the service.
        await connection.execute("update agentes.runs set usage = usage")
    await watching.close()
