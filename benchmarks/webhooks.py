"""Measures the delivery of webhooks, beside a loop that signs and sends and does nothing else.

    .venv/bin/python -m benchmarks.webhooks [--events 5000]

A service of its own over an embedded PostgreSQL, whose files are synced; receivers in another
process. Durable deliveries a second of the service's CPU and of the wall clock, PostgreSQL's CPU
beside them; the time from the commit of a fact to its first attempt while nothing else happens;
the same for 49 endpoints, alone and beside one that hangs; and what a claim takes while 100,000
deliveries wait.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import asyncpg
import httpx2

from app.adapters.fetch.guarded import open_fetch
from app.adapters.store.bundled import Cluster, running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id
from app.core.settings import Settings
from app.core.signing import new_secret, sign
from app.ports.fetch import Outgoing
from benchmarks.chat.processes import use
from tests.support.receiver import hanging, receiving
from tests.support.service import ROOT, Service, running_service
from tests.support.webhooks import LOOPBACK, a_webhook, announce

AT_ONCE = 10
DATA = {"conversation_id": new_id(), "message_id": new_id(), "agent_id": new_id(), "n": 1}
BODY = json.dumps({"type": "lead_captured", "timestamp": "2026-11-26T00:00:00.000Z", "data": DATA})
WAITING = 100_000
LANES = 500
# An organization has up to 50 endpoints; one hangs.
HEALTHY = 49
HEALTHY_FACTS = 50
WANTED = ["message_completed"]


@asynccontextmanager
async def receiver() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a receiver that runs in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.webhook_receiver"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    port = int(await process.stdout.readline())
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        process.kill()
        await process.wait()


async def arrived(client: httpx2.AsyncClient) -> list[tuple[str, float]]:
    """What has come since the last time: ids with their moments."""
    return (await client.get("/")).json()


async def floor(url: str, count: int) -> float:
    """Signed POSTs a second of CPU, ten at a time, by the service's client; no database."""
    secret = new_secret()
    left = iter(range(count))
    settings = Settings(outbound_allow_private_cidrs=(ip_network(LOOPBACK),))
    async with open_fetch(settings) as fetch:

        async def send_some() -> None:
            for _ in left:
                id_, at = new_id(), int(time.time())
                body = BODY.encode()
                headers = {
                    "content-type": "application/json",
                    "webhook-id": id_,
                    "webhook-timestamp": str(at),
                    "webhook-signature": sign([secret], message_id=id_, timestamp=at, body=body),
                }
                outgoing = Outgoing(url=url, method="POST", headers=headers, content=body)
                await fetch.send(outgoing)

        started = time.process_time()
        await asyncio.gather(*(send_some() for _ in range(AT_ONCE)))
        return count / (time.process_time() - started)


async def throughput(
    service: Service, postgres: int, sink: httpx2.AsyncClient, db: asyncpg.Connection, count: int
) -> tuple[float, float, float]:
    """Deliveries a second of the service's CPU, of PostgreSQL's, of the clock."""
    before, base = use(service.process.pid), use(postgres)
    started, seen = time.perf_counter(), 0
    for first in range(0, count, 1000):
        await announce(db, *({**DATA, "n": first + n} for n in range(min(1000, count - first))))
    while seen < count:
        await asyncio.sleep(0.1)
        seen += len(await arrived(sink))
    clock_s = time.perf_counter() - started
    while await db.fetchval("select count(*) from agentes.webhook_lanes where in_flight > 0"):
        await asyncio.sleep(0.05)
    after, end = use(service.process.pid), use(postgres)
    of_postgres_s = end.cpu_s + end.children_cpu_s - base.cpu_s - base.children_cpu_s
    return count / (after.cpu_s - before.cpu_s), count / of_postgres_s, count / clock_s


async def first_attempts_ms(client: httpx2.AsyncClient, sink: httpx2.AsyncClient) -> list[float]:
    """From just before a request that announces something until it arrives, and nothing between."""
    agent = (await client.post("/api/v2/agents", json={"name": "Ana"})).json()
    chat = f"/api/v2/agents/{agent['id']}/chat"
    taken: list[float] = []
    for number in range(100):
        await asyncio.sleep(0.15)
        await arrived(sink)
        question = {"messages": [{"role": "user", "content": f"Oi {number}"}]}
        await client.post(chat, json=question)
        committed = time.time()
        while len(came := await arrived(sink)) < 1:
            await asyncio.sleep(0.005)
        taken.append((came[-1][1] - committed) * 1000)
    return taken


async def healthy_ms(
    client: httpx2.AsyncClient, sink: httpx2.AsyncClient, db: asyncpg.Connection, chat: str
) -> list[float]:
    """From a fact to its arrival at each of 49 endpoints, ten facts a second."""
    await arrived(sink)
    came: list[tuple[str, float]] = []
    for _ in range(HEALTHY_FACTS):
        await client.post(chat, json={"messages": [{"role": "user", "content": "Oi"}]})
        await asyncio.sleep(0.1)
    while len(came) < HEALTHY * HEALTHY_FACTS:
        came += await arrived(sink)
        await asyncio.sleep(0.1)
    rows = await db.fetch(
        "select id::text, extract(epoch from occurred_at)::float as at from agentes.events"
    )
    happened = {row["id"]: row["at"] for row in rows}
    return [(at - happened[fact]) * 1000 for fact, at in came]


async def beside_a_hanging_one(
    client: httpx2.AsyncClient, sink: httpx2.AsyncClient, db: asyncpg.Connection
) -> tuple[list[float], list[float]]:
    """The healthy ones alone, and beside one that takes connections and never answers."""
    for number in range(HEALTHY):
        await a_webhook(client, f"{sink.base_url}/{number}", events=WANTED)
    agent = (await client.post("/api/v2/agents", json={"name": "Ana"})).json()
    chat = f"/api/v2/agents/{agent['id']}/chat"
    await healthy_ms(client, sink, db, chat)
    alone = await healthy_ms(client, sink, db, chat)
    async with receiving(hanging) as hung:
        await a_webhook(client, hung.url, events=WANTED)
        return alone, await healthy_ms(client, sink, db, chat)


async def claims_ms(db: asyncpg.Connection) -> list[float]:
    """Claims of 64 while 100,000 wait in 500 lanes of 50 organizations; all claimed succeed."""
    await db.execute(
        f"""insert into agentes.organizations (id, slug, name)
              select gen_random_uuid(), 'o' || n, 'o' from generate_series(1, 50) n;
            insert into agentes.webhooks (id, organization_id, name, url, events, secret_sealed,
                                          retry_count, timeout)
              select gen_random_uuid(), o.id, 'w', 'https://example.com/', '["*"]', 's', 9, 15
                from agentes.organizations o, generate_series(1, {LANES // 50}) n
               where slug like 'o%';
            insert into agentes.webhook_lanes (webhook_id, organization_id, next_due_at)
              select id, organization_id, now() - interval '1 h'
                from agentes.webhooks where name = 'w';
            insert into agentes.webhook_messages (id, organization_id, type, body)
              select o.id, o.id, 'x', '{BODY}' from agentes.organizations o where slug like 'o%';
            insert into agentes.webhook_deliveries (id, organization_id, webhook_id, message_id,
                                                    event_type, next_attempt_at)
              select agentes.uuid_v7(), w.organization_id, w.id, w.organization_id, 'x',
                     now() - interval '1 h' + n * interval '1 s'
                from agentes.webhooks w, generate_series(1, {WAITING // LANES}) n where name = 'w';
            analyze"""
    )
    taken: list[float] = []
    for _ in range(300):
        lease = new_id()
        started = time.perf_counter()
        claimed = await db.fetchval("select deliveries_claim_v1($1, 20, 64, 64, 128)", lease)
        taken.append((time.perf_counter() - started) * 1000)
        results = [
            {"place": 0, "id": one["id"], "webhook_id": batch["webhook_id"], "lease_id": lease}
            | {"trigger": "schedule", "outcome": "succeeded", "attempt": ATTEMPT}
            for batch in json.loads(claimed)
            for one in batch["deliveries"]
        ]
        await db.execute("select deliveries_report_v1($1, 432000)", json.dumps(results))
    return taken


ATTEMPT = {
    "url": "https://example.com/", "started_at": "2026-11-26T00:00:00Z", "latency_ms": 1,
    "status_code": 204, "error": None, "request_headers": {}, "response_body": "",
}  # fmt: skip


def percentiles(values: list[float]) -> str:
    """Median, 95th and 99th of a hundred."""
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f}"


async def measured(folder: Path, cluster: Cluster, count: int) -> None:
    """Run everything over one database."""
    await prepare_database(cluster)
    address = {"host": str(cluster.socket_dir), "port": cluster.port, "user": "postgres"}
    db = await asyncpg.connect(database=DATABASE, **address)
    postgres = int((await db.fetchval("select pg_read_file('postmaster.pid')")).split()[0])
    variables = {
        "DATABASE_URL": f"postgresql://postgres@/{DATABASE}?host={cluster.socket_dir}",
        "OUTBOUND_ALLOW_PRIVATE_CIDRS": LOOPBACK,
        "LOG_LEVEL": "warning",
    }
    async with (
        receiver() as sink,
        running_service(folder / "data", **variables) as service,
        service.client() as client,
    ):
        url = f"{sink.base_url}/hook"
        bare = await floor(url, count)
        await arrived(sink)
        webhook = await a_webhook(client, url, events=["lead_captured"])
        ours, of_postgres, wall = await throughput(service, postgres, sink, db, count)
        await client.patch(
            f"/api/v2/webhooks/{webhook['id']}", json={"events": ["message_completed"]}
        )
        first = await first_attempts_ms(client, sink)
        await client.delete(f"/api/v2/webhooks/{webhook['id']}")
        alone, beside = await beside_a_hanging_one(client, sink, db)
    claims = await claims_ms(db)
    await db.close()
    print(f"signed POSTs, bare loop:       {bare:8.0f} a second of CPU")
    print(f"durable deliveries:            {ours:8.0f} a second of the service's CPU")
    print(f"                               {of_postgres:8.0f} a second of PostgreSQL's CPU")
    print(f"                               {wall:8.0f} a second, one endpoint, one process")
    print(f"commit to first attempt, ms:   {percentiles(first)}")
    print(f"49 endpoints alone, ms:        {percentiles(alone)}")
    print(f"  beside one that hangs, ms:   {percentiles(beside)}")
    print(f"claim with {WAITING:,} waiting, ms: {percentiles(claims)}")


async def main() -> None:
    """Read the options, start PostgreSQL, measure."""
    parser = argparse.ArgumentParser(description="Webhooks")
    parser.add_argument("--events", type=int, default=5000)
    count = parser.parse_args().events
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(name)
        async with running_cluster(folder / "postgres") as cluster:
            await measured(folder, cluster, count)


if __name__ == "__main__":
    asyncio.run(main())
