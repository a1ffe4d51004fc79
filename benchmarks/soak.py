"""Mixed traffic for an hour: whether memory, tasks and descriptors stay as they are.

    .venv/bin/python -m benchmarks.soak [--minutes 60]

Chats, streams that are left and resumed or stopped, dashboards that come and go, documents that are
indexed and deleted, leads with webhooks, lists, refusals, from many clients at once; over an
embedded PostgreSQL, a model of the benchmark's own and a receiver. A row each minute, as `/metrics`
and /proc have it; at the end, how the last quarter differs from the second.
"""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.chat.processes import use
from benchmarks.chat_overhead import SERVE, free_port, started, until_open, variables_of
from benchmarks.soaking.traffic import KINDS, Traffic

METRICS_TOKEN = "of-the-benchmark-alone"
MODEL = "openai/mock-24-10-50"
GAUGES = ("agentes_event_loop_tasks", "process_open_fds")
# More than this, from the second quarter to the last, is a leak.
GROWTH = 0.05


@dataclass(frozen=True)
class Row:
    """What the service holds at a moment."""

    minute: float
    rss_mb: float
    postgres_mb: float
    tasks: float
    descriptors: float
    done: int
    failed: int


async def furnished(client: httpx2.AsyncClient, receiver: int) -> Traffic:
    """An agent with a base, and webhooks that hear of everything."""
    traffic = Traffic(client, "", "")
    traffic.base = (await traffic.call("POST", "/knowledge/bases", json={"name": "Base"}))["id"]
    agent = {"name": "Ana", "model_id": MODEL, "knowledge_base_ids": [traffic.base]}
    traffic.agent = (await traffic.call("POST", "/agents", json=agent))["id"]
    for number in range(3):
        hook = {"name": f"W{number}", "url": f"http://127.0.0.1:{receiver}/", "events": ["*"]}
        await traffic.call("POST", "/webhooks", json=hook)
    return traffic


@asynccontextmanager
async def receiving() -> AsyncIterator[int]:
    """A receiver's port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.webhook_receiver"), stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("the receiver has no output")
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def looked(traffic: Traffic, pid: int, began_s: float) -> Row:
    """The row of now."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    text = (await traffic.client.get("/metrics", headers=headers)).raise_for_status().text
    tasks, descriptors = (
        float(re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)[0]) for name in GAUGES
    )
    now = use(pid)
    return Row(
        (time.monotonic() - began_s) / 60,
        now.rss_mb,
        now.children_pss_mb,
        tasks,
        descriptors,
        traffic.done.total(),
        traffic.failed.total(),
    )


def shown(row: Row) -> str:
    """A line of the table."""
    cells = [f"{row.minute:.0f}", f"{row.rss_mb:.0f}", f"{row.postgres_mb:.0f}"]
    cells += [f"{row.tasks:.0f}", f"{row.descriptors:.0f}", str(row.done), str(row.failed)]
    return f"| {' | '.join(cells)} |"


def judged(rows: list[Row]) -> bool:
    """Whether nothing has grown; told figure by figure."""
    quarter = len(rows) // 4
    if quarter < 2:
        print("too short to tell")
        return True
    is_flat = True
    for name in ("rss_mb", "postgres_mb", "tasks", "descriptors"):
        second, last = (
            statistics.median(getattr(row, name) for row in part)
            for part in (rows[quarter : 2 * quarter], rows[-quarter:])
        )
        growth = last / second - 1
        is_flat &= growth <= GROWTH
        print(f"{name}: {second:.1f} in the second quarter, {last:.1f} in the last, {growth:+.1%}")
    return is_flat


async def soak(traffic: Traffic, pid: int, minutes: float) -> bool:
    """Let the traffic flow and look at the service; whether it stays as it is."""
    print("| minute | MB | PostgreSQL MB | tasks | descriptors | done | failed |")
    print("|---|---|---|---|---|---|---|", flush=True)
    rows: list[Row] = []
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        works = [
            group.create_task(traffic.go_on(name, act))
            for name, (count, act) in KINDS.items()
            for _ in range(count)
        ]
        every_s = min(60.0, minutes * 60 / 8)
        while time.monotonic() - began_s < minutes * 60:
            await asyncio.sleep(every_s)
            rows.append(await looked(traffic, pid, began_s))
            print(shown(rows[-1]), flush=True)
        for work in works:
            work.cancel()
    for name, count in traffic.done.items():
        print(f"{count} {name}")
    for name, count in traffic.failed.items():
        print(f"failed {count} times: {name}")
    return judged(rows) and not traffic.failed


async def main(minutes: float) -> bool:
    """Start everything, let it flow."""
    upstream_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(parent, "data")
        variables = variables_of(folder, port, f"http://127.0.0.1:{upstream_port}/v1")
        variables |= {
            "METRICS_TOKEN": METRICS_TOKEN,
            "OUTBOUND_ALLOW_PRIVATE_CIDRS": "127.0.0.0/8",
        }
        async with receiving() as receiver:
            variables["OUTBOUND_ALLOW_PORTS"] = str(receiver)
            with (
                started("-m", "benchmarks.chat.upstream", "--port", str(upstream_port)),
                started(*SERVE, **variables) as process,
            ):
                await until_open(port, "/health/ready")
                headers = {"Authorization": f"Bearer {(folder / 'api_key').read_text().strip()}"}
                async with httpx2.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60
                ) as client:
                    traffic = await furnished(client, receiver)
                    return await soak(traffic, process.pid, minutes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    sys.exit(0 if asyncio.run(main(parser.parse_args().minutes)) else 1)
