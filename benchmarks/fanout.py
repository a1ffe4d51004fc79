"""What it costs to tell thousands of dashboards of an event, beside plain sockets that do no more.

    .venv/bin/python -m benchmarks.fanout [--clients 1000 5000] [--stalled 0] [--seconds 10]

Ten events a second reach every client. Ours are facts: a lead is created over the API, committed,
numbered in a commit of its own, read back and sent, and the time is from the request to the last
client; the floor makes its events itself and writes them. One worker, with the driver on the
machine's other core; ratios within one run mean more than absolute times.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chat.processes import use
from benchmarks.chat_overhead import free_port, started, until_open

DRIVER = ("-m", "benchmarks.streams.driver")
FLOOR = ("-m", "benchmarks.streams.floor")
FILES = 20_000


@dataclass(frozen=True)
class Server:
    """Something that streams events."""

    name: str
    pid: int
    url: str
    options: tuple[str, ...] = ()


async def measure(server: Server, clients: int, stalled: int, seconds: float) -> None:
    """Print one line of the table."""
    idle = use(server.pid)
    driver = await asyncio.create_subprocess_exec(
        *(sys.executable, *DRIVER, server.url, *server.options),
        *("--clients", str(clients), "--stalled", str(stalled), "--seconds", str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    if driver.stdout is None:
        raise RuntimeError("the driver has no output")
    await driver.stdout.readline()
    before = use(server.pid)
    await driver.stdout.readline()
    after = use(server.pid)
    found = json.loads(await driver.stdout.readline())
    await driver.wait()
    cpu_us = (after.cpu_s - before.cpu_s) / max(found["deliveries"], 1) * 1e6
    kb = (after.rss_mb - idle.rss_mb) * 1024 / clients
    cells = [
        server.name,
        clients,
        stalled,
        found["opened_s"],
        found["p50_ms"],
        found["p99_ms"],
        found["publish_p95_ms"],
        f"{cpu_us:.1f}",
        f"{kb:.1f}",
        f"{found['fewest']}–{found['most']} of {found['published'] or found['most']}",
        found["lost"],
        found["driver_busy"],
    ]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if found["refused"] and any(found["refused"].values()):
        print(f"refused: {found['refused']}", file=sys.stderr)


async def main(clients: list[int], stalled: int, seconds: float) -> None:
    """Start both, measure, print."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    port, floor_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(parent, "data")
        variables = {"DATA_DIR": str(folder), "PORT": str(port), "LOG_LEVEL": "warning"}
        with (
            started(*FLOOR, "--port", str(floor_port)) as floor,
            started("-m", "app.command_line", "serve", **variables) as ours,
        ):
            await until_open(port, "/health/ready")
            key = (folder / "api_key").read_text().strip()
            base = f"http://127.0.0.1:{port}/api/v2"
            publish = ("--bearer", key, "--publish", f"{base}/leads")
            print(
                "| server | clients | of them stalled | all open s | p50 ms | p99 ms"
                " | publish p95 ms | CPU µs a delivery | KB a client | events a client | cut off"
                " | driver busy |"
            )
            print("|---|---|---|---|---|---|---|---|---|---|---|---|")
            servers = (
                Server("plain sockets", floor.pid, f"http://127.0.0.1:{floor_port}/"),
                Server("ours", ours.pid, f"{base}/events/dashboard", publish),
            )
            for count in clients:
                for server in servers:
                    await measure(server, count, stalled, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--stalled", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    asyncio.run(main(given.clients, given.stalled, given.seconds))
