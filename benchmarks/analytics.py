"""Measures the dashboard of the biggest of ten organizations, beside the numbers from the rows.

    .venv/bin/python -m benchmarks.analytics [--events 10000000]

A conversation of two turns makes five events, over 120 days; the biggest organization has two in
five of them and four agents. Figures are reckoned as the service does it, from the rows. Starts a
PostgreSQL and a service of its own.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id
from tests.support.service import running_service
from tests.support.stories import an_agent, asking

EVENTS_A_CONVERSATION = 5
BIGGEST_SHARE = 0.4
OTHERS = 9
DAYS = 120
AT_ONCE = 100_000
REQUESTS = 200
FILL = """
with talk as materialized (
  select encode(overlay(uuid_send(gen_random_uuid()) placing substring(int8send(
           floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6), 'hex')::uuid as id,
         at, ($2::uuid[])[1 + floor(random() * cardinality($2::uuid[]))] as agent_id,
         'v-' || floor(random() * $3::int / 2)::int as visitor_id
    from (select now() - random() * interval '{days} days' as at from generate_series(1, $3::int)) t
), begun as (
  insert into agentes.conversations
    (id, organization_id, agent_id, visitor_id, title, created_at, updated_at)
  select id, $1::uuid, agent_id, visitor_id, 't', at, at from talk
), turn as materialized (
  select t.id as conversation_id, t.agent_id, n, t.at + (n - 1) * interval '3 minutes' as at,
         agentes.uuid_v7() as run_id, agentes.uuid_v7() as message_id,
         round(exp(6.5 + random() + random() - random())) as first_ms,
         round(exp(8 + random() + random() - random())) as whole_ms
    from talk t, generate_series(1, 2) n
), said as (
  insert into agentes.messages
    (id, organization_id, conversation_id, run_id, role, content, metadata, created_at)
  select agentes.uuid_v7(), $1::uuid, conversation_id, run_id, 'user',
         'Pergunta ' || floor(random() * random() * 5000)::int, '{{}}', at from turn
   union all
  select message_id, $1::uuid, conversation_id, run_id, 'assistant', 'Resposta.',
         jsonb_build_object('model', 'm-' || n, 'cost_usd', 0.0004,
           'time_to_first_token_ms', first_ms, 'processing_time', whole_ms), at
    from turn
)
insert into agentes.runs
  (id, organization_id, agent_id, agent_version, conversation_id, message_id, owner_id, model_id,
   status, usage, started_at, ended_at)
select run_id, $1::uuid, agent_id, 1, conversation_id, message_id, run_id, 'm', 'completed',
       '{{"input_tokens": 800, "output_tokens": 150, "cached_tokens": 0}}', at,
       at + whole_ms * interval '1 ms'
  from turn
"""
RAW = """
with ran as materialized (
  select * from agentes.runs
   where organization_id = $1::uuid and started_at >= $2 and started_at < $3
)
select (select count(*) from agentes.conversations
         where organization_id = $1::uuid and created_at >= $2 and created_at < $3),
       (select count(distinct c.visitor_id) from ran
          join agentes.conversations c on c.id = ran.conversation_id),
       count(*), count(*) filter (where status = 'failed'),
       sum((usage->>'input_tokens')::bigint),
       percentile_disc(array[0.5, 0.95, 0.99]) within group (order by ended_at - started_at)
  from ran
"""


async def fill(connection: asyncpg.Connection, org: str, agents: list[str], count: int) -> None:
    """So many conversations, as rows only: triggers and figures come after."""
    while count > 0:
        some = min(AT_ONCE, count)
        await connection.execute(FILL.format(days=DAYS), org, agents, some)
        count -= some


async def percentiles(ask: Callable[[], Awaitable[Any]], times: int) -> str:
    """p50 and p95 in ms, after some to warm up."""
    for _ in range(10):
        await ask()
    took: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(took, n=20)
    return f"{cuts[9]:>9.1f} {cuts[18]:>9.1f}"


class Bench:
    """One service over a filled database."""

    def __init__(
        self, client: httpx2.AsyncClient, connection: asyncpg.Connection, org: str
    ) -> None:
        self._client, self._connection, self._org = client, connection, org

    async def dashboard(self, **params: str) -> dict[str, Any]:
        answer = await self._client.get("/api/v2/analytics/dashboard", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def compare(self, name: str, **params: str) -> None:
        """Both ways, and whether they agree."""
        shown = await self.dashboard(**params)
        start, stop = (datetime.fromisoformat(shown["period"][end]) for end in ("from", "to"))

        async def raw() -> Any:
            return await self._connection.fetchrow(RAW, self._org, start, stop)

        row = await raw()
        told = (
            shown["overview"]["total_conversations"],
            shown["overview"]["unique_visitors"],
            shown["performance"]["answers"],
            shown["performance"]["failures"],
            shown["usage"]["input_tokens"],
        )
        assert told == tuple(row)[:5], (told, row)
        print(f"{name:<40} {await percentiles(lambda: self.dashboard(**params), REQUESTS)}")
        print(f"{'  the same numbers from the rows':<40} {await percentiles(raw, 10)}", flush=True)

    async def freshness(self) -> None:
        """From the end of a chat until it is counted."""
        agent, took = await an_agent(self._client), list[float]()
        for number in range(1, 21):
            path = f"/api/v2/agents/{agent['id']}/chat"
            assert (await self._client.post(path, json=asking("Oi?"))).status_code == 200
            started = time.perf_counter()
            while True:
                shown = await self.dashboard(period="day", agent_id=agent["id"])
                if shown["performance"]["answers"] == number:
                    break
                await asyncio.sleep(0.01)
            took.append((time.perf_counter() - started) * 1000)
        cuts = statistics.quantiles(took, n=20)
        print(f"{'from a chat to the figure':<40} {cuts[9]:>9.1f} {cuts[18]:>9.1f}")


async def prepare(connection: asyncpg.Connection, org: str, events: int) -> None:
    """Ten organizations' rows, and figures of the biggest."""
    conversations = events // EVENTS_A_CONVERSATION
    biggest = int(conversations * BIGGEST_SHARE)
    started = time.perf_counter()
    await connection.execute("set session_replication_role = replica")
    await fill(connection, org, [new_id() for _ in range(4)], biggest)
    for number in range(OTHERS):
        other = new_id()
        await connection.execute(
            "insert into agentes.organizations (id, slug, name) values ($1::uuid, $2, 'o')",
            other,
            f"o{number}",
        )
        await fill(connection, other, [new_id()], (conversations - biggest) // OTHERS)
    await connection.execute("set session_replication_role = origin")
    # What a query of the rows would want; the figures need none of it.
    await connection.execute(
        "create index on agentes.conversations (organization_id, created_at);"
        "create index on agentes.runs (organization_id, started_at)"
    )
    print(f"{events} events in {time.perf_counter() - started:.0f} s", flush=True)
    started = time.perf_counter()
    await connection.fetchval("select analytics_rebuild_v1($1::uuid)", org)
    print(f"{biggest} conversations reckoned in {time.perf_counter() - started:.0f} s", flush=True)
    await connection.execute("vacuum analyze")


async def measure(socket_dir: Path, port: int, events: int) -> None:
    """Fill, start, ask, print."""
    login = {"host": str(socket_dir), "port": port, "user": "postgres", "database": DATABASE}
    connection = await asyncpg.connect(**login)
    url = f"postgresql://postgres@/{DATABASE}?host={socket_dir}&port={port}"
    with tempfile.TemporaryDirectory() as folder:
        async with running_service(Path(folder, "data"), DATABASE_URL=url) as service:
            org = await connection.fetchval("select id::text from agentes.organizations limit 1")
            await prepare(connection, org, events)
            async with service.client() as client:
                bench = Bench(client, connection, org)
                print(f"{'':<40} {'p50 ms':>9} {'p95 ms':>9}")
                await bench.compare("7 days", period="week")
                await bench.compare("90 days", period="quarter")
                nepal = {"timezone": "Asia/Kathmandu"}
                await bench.compare("90 days in Kathmandu", period="quarter", **nepal)
                month = datetime.now(UTC).date() - timedelta(days=60)
                ends = {
                    "from": f"{month}T10:15:00Z",
                    "to": f"{month + timedelta(days=30)}T22:30:00Z",
                }
                await bench.compare("a month, from quarter to quarter", **ends)
                await bench.freshness()
    await connection.close()


async def main() -> None:
    """Read the arguments, start a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_cluster(Path(folder, "data"), durable=False) as cluster:
            await prepare_database(cluster)
            await measure(cluster.socket_dir, cluster.port, arguments.events)


if __name__ == "__main__":
    asyncio.run(main())
