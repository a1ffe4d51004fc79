"""PG-2 to PG-5 and PG-7: one process lives through all of them and is never restarted.

PG-8, the embedded PostgreSQL under kill -9, is tests/adapters/store/test_bundled_faults.py.
"""

import asyncio
import json
import time
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from app.adapters.store import STORES
from app.adapters.store.connections import CALL_TIMEOUT_S
from app.core.settings import Settings
from app.ports.store import StoreUnavailable
from tests.faults.conftest import MAX_CONNECTIONS
from tests.support.fault_proxy import fault_proxy, unix
from tests.support.fault_stack import Stack, url_through
from tests.support.load import load_on
from tests.support.postgres_server import FAST, IMMEDIATE, PostgresServer

pytestmark = pytest.mark.anyio
FREEZE_S = 3.5
LOCK_S = 10.5


@pytest.mark.parametrize("mode", [FAST, IMMEDIATE], ids=["fast", "immediate"])
async def test_pg2_a_restart_in_mid_traffic_is_survived_without_a_500_or_a_lost_write(
    watched, mode, chance, is_long
):
    async with load_on(watched.stack.client, watched.stack.agent_id) as load:
        for _ in range(25 if is_long else 1):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            await watched.stack.postgres.stop(mode)
            await asyncio.sleep(chance.uniform(0.2, 1.5))
            await watched.stack.postgres.start()
            await watched.recovered(within_s=10)
            await watched.serves_again(load)
    await watched.check(load.ledger)
    assert load.ledger.statuses()[201] > 5
    assert 503 in load.ledger.statuses()


async def test_pg3_a_frozen_database_gives_503_in_time_and_is_used_again_once_it_thaws(
    watched, is_long
):
    async with load_on(
        watched.stack.client, watched.stack.agent_id, readers=20, writers=10
    ) as load:
        await asyncio.sleep(1)
        fds = watched.process.num_fds()
        watched.stack.postgres.freeze()
        frozen_s = time.monotonic()
        try:
            await asyncio.sleep(1)
            started_s = time.monotonic()
            assert (await watched.stack.client.get("/health/ready")).status_code == 503
            assert time.monotonic() - started_s < 1
            await asyncio.sleep((30 if is_long else FREEZE_S) - (time.monotonic() - frozen_s))
            assert watched.process.num_fds() < 2 * fds + 20
        finally:
            watched.stack.postgres.thaw()
        await watched.recovered(within_s=5)
        await asyncio.sleep(1)
        await watched.serves_again(load)
    await watched.check(load.ledger)
    refused = [answer for answer in load.ledger.answered if answer.status == 503]
    assert any(2 <= answer.took_s < 3 for answer in refused), "nobody left the pool's queue"


def told_since(log: Path, since: int) -> list[str]:
    """What waits or goes on, each with the kind of work that it is."""
    lines = [json.loads(line) for line in log.read_bytes()[since:].splitlines() if line[:1] == b"{"]
    return [f"{line['event']} {line.get('work', '')}".strip() for line in lines]


async def test_work_that_waits_for_the_database_tells_of_it_once_and_once_that_it_goes_on(watched):
    log = watched.stack.service.log
    since = log.stat().st_size
    await watched.stack.postgres.stop(FAST)
    await asyncio.sleep(6)
    paused = [event for event in told_since(log, since) if "_paused" in event]
    assert {"numbering_paused", "indexing_paused", "deliveries_paused"} <= set(paused)
    assert len(paused) == len(set(paused))
    await watched.stack.postgres.start()
    await watched.recovered(within_s=10)
    async with asyncio.timeout(30):
        wanted = {event.replace("_paused", "_resumed") for event in paused}
        while not wanted <= set(told_since(log, since)):
            await asyncio.sleep(0.1)


async def test_pg4_while_the_server_only_reads_reads_go_on_and_writes_are_503(watched):
    set_ = "alter system set default_transaction_read_only"
    async with load_on(watched.stack.client, watched.stack.agent_id, chats=2) as load:
        await asyncio.sleep(0.5)
        async with watched.stack.connection() as connection:
            await connection.execute(f"{set_} = on")
            await connection.execute("select pg_reload_conf()")
            await asyncio.sleep(0.5)
            before = len(load.ledger.answered)
            await asyncio.sleep(1)
            during = load.ledger.answered[before:]
            await connection.execute("set default_transaction_read_only = off")
            await connection.execute(f"{set_} = off")
            await connection.execute("select pg_reload_conf()")
        await asyncio.sleep(1)
        await watched.serves_again(load)
    reads = {answer.status for answer in during if answer.what.startswith("GET")}
    writes = {answer.status for answer in during if "bases" in answer.what}
    assert (reads, writes) == ({200}, {503})
    await watched.check(load.ledger)


async def a_call_into_silence_ends(stack: Stack, folder: Path) -> None:
    """Also where the server cannot be asked to cancel, a call ends and its connection is let go."""
    async with fault_proxy(unix(stack.postgres.socket)) as proxy:
        url = SecretStr(url_through(proxy, stack.database))
        settings = Settings(database_url=url, data_dir=folder)
        async with STORES["postgres"].open(settings) as database:
            await database.ping()
            proxy.black_hole()
            started_s = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await database.system().call("events_number_v1")
            assert time.monotonic() - started_s < CALL_TIMEOUT_S + 1
            await proxy.restore()
            await database.ping()


async def test_pg5_a_pool_full_of_waiting_statements_is_left_by_others_in_time_and_heals(
    watched, folder
):
    silence = asyncio.ensure_future(a_call_into_silence_ends(watched.stack, folder))
    async with watched.stack.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("lock table agentes.conversations in access exclusive mode")
        async with load_on(
            watched.stack.client, watched.stack.agent_id, chats=2, readers=40, writers=2
        ) as load:
            await asyncio.sleep(LOCK_S)
            await transaction.rollback()
            await asyncio.sleep(1.5)
            await watched.recovered(within_s=5)
            await watched.serves_again(load)
    await silence
    refused = [answer.took_s for answer in load.ledger.answered if answer.status == 503]
    assert any(2 <= took_s < 3 for took_s in refused), "nobody left the pool's queue"
    assert any(9.5 <= took_s < 13 for took_s in refused), "no statement was ended by its limit"
    await watched.check(load.ledger)


async def take_all(postgres: PostgresServer) -> list[asyncpg.Connection]:
    """Every connection that the server still gives."""
    taken = []
    while True:
        try:
            taken.append(await postgres.connect())
        except asyncpg.TooManyConnectionsError:
            return taken


async def test_pg7_when_the_server_takes_no_more_connections_requests_are_503_until_it_does(
    watched,
):
    others: list[asyncpg.Connection] = []
    async with load_on(watched.stack.client, watched.stack.agent_id, chats=2) as load:
        await asyncio.sleep(0.5)
        try:
            async with asyncio.timeout(10):
                while len(others) < MAX_CONNECTIONS:
                    others += await take_all(watched.stack.postgres)
                    watched.stack.proxy.cut()
            await asyncio.sleep(1)
            assert (await watched.stack.client.get("/health/ready")).status_code == 503
        finally:
            await asyncio.gather(*(other.close() for other in others))
        await watched.recovered(within_s=5)
        await watched.serves_again(load)
    assert 503 in load.ledger.statuses()
    await watched.check(load.ledger)
