"""KP-3, WH-61 to WH-69: deliveries outlive kills, freezes and restarts, and no lease is trusted."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from standardwebhooks import Webhook

from app.core.ids import new_id
from tests.support.announcing import Announced, announcing
from tests.support.postgres_server import FAST, IMMEDIATE, PostgresServer
from tests.support.receiver import Receiver, answer, hanging, receiving
from tests.support.service import Service, running_service
from tests.support.webhooks import LOOPBACK, a_webhook, announce, due_now

pytestmark = pytest.mark.anyio
TIMEOUT_S = 5
LEASED = "select count(*) from agentes.webhook_deliveries where status = 'sending'"
# A killed process's leases would run out by themselves, after half a minute.
RUN_OUT = """
update agentes.webhook_deliveries set lease_until = now() - interval '1 s' where status = 'sending'
"""
UNSETTLED = """
select (select count(*) from agentes.outbox) + (select count(*) from agentes.events e
         where e.number > (select number from agentes.webhook_cursor))
     + (select count(*) from agentes.webhook_deliveries where status in ('pending', 'sending'))
"""


@dataclass
class Site:
    """A database with what the service needs to reach loopback."""

    postgres: PostgresServer
    database: str
    data_dir: Path

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        url = f"postgresql://postgres@/{self.database}?host={self.postgres.cluster.socket_dir}"
        async with running_service(
            self.data_dir,
            DATABASE_URL=url,
            OUTBOUND_ALLOW_PRIVATE_CIDRS=LOOPBACK,
            DRAIN_SECONDS="0",
        ) as service:
            yield service

    async def value(self, sql: str) -> int:
        return (await self.postgres.execute(self.database, sql))[0][0]

    async def settled(self, *, within_s: float) -> None:
        """Return when nothing waits any more; whoever failed once is tried again at once."""
        async with asyncio.timeout(within_s):
            while await self.value(UNSETTLED):
                connection = await self.postgres.connect(self.database)
                await due_now(connection)
                await connection.close()
                await asyncio.sleep(0.2)


@pytest.fixture
async def site(postgres: PostgresServer, folder: Path) -> Site:
    database = await postgres.new_database()
    return Site(postgres, database, folder / database / "data")


async def a_moment(_arrived, _writer) -> bytes:
    await asyncio.sleep(0.01)
    return answer(204)


@asynccontextmanager
async def three_receivers(service: Service) -> AsyncIterator[dict[str, Receiver]]:
    """By the secrets of their webhooks."""
    async with AsyncExitStack() as stack, service.client() as client:
        receivers = {}
        for _ in range(3):
            receiver = await stack.enter_async_context(receiving(a_moment))
            webhook = await a_webhook(client, receiver.url, events=["lead_*"], timeout=TIMEOUT_S)
            receivers[webhook["secret"]] = receiver
        yield receivers


def check_arrived(receivers: dict[str, Receiver], told: Announced, *, in_flight: int) -> None:
    """Everything committed arrived, nothing else did, and hardly anything twice."""
    again = 0
    for secret, receiver in receivers.items():
        counts = Counter(one.id for one in receiver.arrived)
        assert told.committed <= counts.keys(), "committed, and never delivered"
        assert counts.keys() <= told.committed | told.doubtful, "never committed, and delivered"
        bodies: dict[str, bytes] = {}
        for one in receiver.arrived:
            assert bodies.setdefault(one.id, one.body) == one.body
            assert json.loads(one.body)["data"]["fact"] == one.id
        last = receiver.arrived[-1]
        Webhook(secret).verify(last.body, last.headers)
        again += sum(counts.values()) - len(counts)
    assert again <= in_flight, f"{again} came again, {in_flight} were in flight"


async def test_wh61_of_what_was_committed_before_and_between_kills_everything_arrives(
    site, chance, is_long
):
    connect = partial(site.postgres.connect, site.database)
    in_flight = 0
    async with site.service() as first, three_receivers(first) as receivers:
        await first.end()
        async with announcing(connect) as told:
            for number in range(100 if is_long else 2):
                async with site.service() as service:
                    await asyncio.sleep(chance.uniform(0.3, 2))
                    await service.end(signal.SIGKILL)
                in_flight += await site.value(LEASED)
                if not (is_long and number % 20 == 0):
                    await site.postgres.execute(site.database, RUN_OUT)
        async with site.service():
            await site.settled(within_s=120)
        check_arrived(receivers, told, in_flight=in_flight)
        assert len(told.committed) > 100
        leases = "select coalesce(sum(in_flight), 0) from agentes.webhook_lanes"
        assert await site.value(leases) == 0


async def test_wh65_a_restarted_database_loses_nothing(site, chance, is_long):
    connect = partial(site.postgres.connect, site.database)
    async with site.service() as service, three_receivers(service) as receivers:
        async with announcing(connect) as told:
            for number in range(20 if is_long else 1):
                await asyncio.sleep(chance.uniform(0.5, 1.5))
                await site.postgres.stop(IMMEDIATE if number % 2 else FAST)
                await asyncio.sleep(chance.uniform(0.1, 1))
                await site.postgres.start()
            await asyncio.sleep(1)
        recovered_s = time.monotonic()
        while not all(one.arrived for one in receivers.values()):
            await asyncio.sleep(0.1)
        assert time.monotonic() - recovered_s < 10
        await asyncio.sleep(3)
        in_flight = await site.value(LEASED)
        await site.postgres.execute(site.database, RUN_OUT)
        await site.settled(within_s=60)
        # What was leased when a report was lost may come once more; a lease has at most 20.
        check_arrived(receivers, told, in_flight=in_flight + 20 * 3 * (20 if is_long else 1))


async def test_wh64_a_frozen_worker_finds_that_its_delivery_has_gone_to_another(site):
    async def late(_arrived, _writer) -> bytes:
        await asyncio.sleep(2)
        return answer(500)

    connection: asyncpg.Connection = await site.postgres.connect(site.database)
    async with site.service() as service, service.client() as client, receiving(late) as receiver:
        await a_webhook(client, receiver.url, events=["lead_*"])
        await announce(connection, {"n": 1})
        await receiver.wait_for(1)
        service.process.send_signal(signal.SIGSTOP)
        try:
            await connection.execute(RUN_OUT)
            assert await connection.fetchval("select deliveries_release_v1(10)") == "1"
            lease = new_id()
            (batch,) = json.loads(
                await connection.fetchval("select deliveries_claim_v1($1, 20, 10, 10, 10)", lease)
            )
            result = {
                "place": 0,
                "id": batch["deliveries"][0]["id"],
                "webhook_id": batch["webhook_id"],
                "lease_id": lease,
                "trigger": "schedule",
                "outcome": "succeeded",
                "attempt": {
                    "url": "x",
                    "started_at": "2026-11-26T00:00:00Z",
                    "latency_ms": 1,
                    "status_code": 200,
                    "request_headers": {},
                },
            }
            await connection.execute(
                "select deliveries_report_v1($1, 432000)", json.dumps([result])
            )
        finally:
            service.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            while "delivery_leases_lost" not in service.log.read_text():
                await asyncio.sleep(0.1)
        row = await connection.fetchrow("select * from agentes.webhook_deliveries")
        assert (row["status"], row["attempts"]) == ("succeeded", 1)
        lane = await connection.fetchrow("select * from agentes.webhook_lanes")
        assert (lane["in_flight"], lane["recent"]) == (0, "s")
    await connection.close()


async def test_wh68_wh69_told_to_stop_with_a_hundred_hanging_it_puts_them_back_and_ends(site):
    connection: asyncpg.Connection = await site.postgres.connect(site.database)
    async with receiving(hanging) as receiver, site.service() as service:
        async with service.client() as client:
            for _ in range(10):
                await a_webhook(client, receiver.url, events=["lead_*"], timeout=30)
        await announce(connection, *({"n": n} for n in range(12)))
        await receiver.wait_for(100, within_s=20)
        started_s = time.monotonic()
        await service.end()
        assert time.monotonic() - started_s < 15
    rows = await connection.fetch(
        "select status, attempts, count(*) from agentes.webhook_deliveries group by 1, 2"
    )
    assert [tuple(row) for row in rows] == [("pending", 0, 120)]
    assert await site.value("select sum(in_flight)::int from agentes.webhook_lanes") == 0
    await connection.close()
