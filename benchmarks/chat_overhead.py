"""What our chat costs between a model and a client, beside bare relays that store nothing.

    .venv/bin/python -m benchmarks.chat_overhead [--seconds 10]

The model answers with 64 tokens, the first after 200 ms, 10 ms apart. Ours checks the key, reads
agent and history, commits messages, usage and events, and can be resumed; the relays do none of it.
One worker each, all on this machine; ratios within one run mean more than absolute times.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.core.settings import child_environment
from benchmarks.chat.driver import Readings, Target, load
from benchmarks.chat.processes import use

TOKENS, PAUSE_MS, FIRST_MS = 64, 10, 200
MODEL = f"mock-{TOKENS}-{PAUSE_MS}-{FIRST_MS}"
UPSTREAM_MS = FIRST_MS + (TOKENS - 1) * PAUSE_MS
SATURATING = 250


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def started(*command: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process, ended with SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env=child_environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def until_open(port: int, path: str = "/docs") -> None:
    """Wait until the server answers."""
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}{path}")).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Server:
    """Something to be measured."""

    name: str
    pid: int
    target: Target


def at(values: list[float], share: float) -> float:
    """The value below which that share of them lies."""
    return (
        sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else float("nan")
    )


def shares(values: list[float], digits: int = 1) -> str:
    """The median and the 99th percentile."""
    return f"{at(values, 0.5):.{digits}f} / {at(values, 0.99):.{digits}f}"


def row(
    server: Server, at_once: int, readings: Readings, took_s: float, cpu_s: float, db_s: float
) -> str:
    """One line of the table."""
    count = max(len(readings.total), 1)
    cells = [
        server.name,
        str(at_once),
        f"{len(readings.total) / took_s:.0f}",
        f"{cpu_s / count * 1000:.1f}",
        f"{db_s / count * 1000:.1f}",
        shares(readings.first_event),
        shares([total - UPSTREAM_MS for total in readings.total]),
        f"{at(readings.total, 0.5) / UPSTREAM_MS:.3f}",
        shares(readings.token, 2),
        str(readings.failed),
    ]
    return f"| {' | '.join(cells)} |"


async def measure(server: Server, at_once: int, seconds: float) -> None:
    """Print one line."""
    before = use(server.pid)
    readings, took_s = await load(server.target, at_once=at_once, seconds=seconds)
    after = use(server.pid)
    cpu_s = after.cpu_s - before.cpu_s
    db_s = after.children_cpu_s - before.children_cpu_s
    print(row(server, at_once, readings, took_s, cpu_s, db_s), flush=True)


async def prepare(port: int, folder: Path) -> Target:
    """An agent of the service over the model; the request that talks to it."""
    key = (folder / "api_key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        agent = {"name": "Bench", "model_id": f"openai/{MODEL}"}
        made = (await client.post("/api/v2/agents", json=agent)).raise_for_status().json()
    body = {"messages": [{"role": "user", "content": "Qual é o prazo?"}]}
    return Target(
        port,
        f"/api/v2/agents/{made['id']}/chat/stream",
        json.dumps(body).encode(),
        f"authorization: Bearer {key}\r\n",
        TOKENS,
    )


def relay_target(port: int, path: str) -> Target:
    """The request that a relay takes."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Qual é o prazo?"}]}
    return Target(port, path, json.dumps(body).encode(), tokens=TOKENS)


async def main(seconds: float) -> None:
    """Start everything, measure, print."""
    upstream_port, relay_port, port = free_port(), free_port(), free_port()
    upstream = f"http://127.0.0.1:{upstream_port}/v1"
    serve = ("-m", "app.command_line", "serve")
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(parent, "data")
        variables = {
            "DATA_DIR": str(folder),
            "PORT": str(port),
            "OPENAI_API_KEY": "sk-none",
            "OPENAI_BASE_URL": upstream,
            "LOG_LEVEL": "warning",
        }
        for which in ("first start", "later start"):
            began = time.monotonic()
            with started(*serve, **variables) as process:
                await until_open(port, "/health/ready")
                print(f"{which}: ready after {time.monotonic() - began:.2f} s")
        relay = ("-m", "uvicorn", "benchmarks.chat.bare_relay:app", "--port", str(relay_port))
        with (
            started("-m", "benchmarks.chat.upstream", "--port", str(upstream_port)),
            started(*relay, "--no-access-log", BENCHMARK_UPSTREAM=upstream) as bare,
            started(*serve, **variables) as process,
        ):
            await until_open(relay_port)
            await until_open(port, "/health/ready")
            ours = Server("ours", process.pid, await prepare(port, folder))
            idle = use(process.pid)
            print(f"idle: {idle.rss_mb:.0f} MB, PostgreSQL {idle.children_pss_mb:.0f} MB PSS\n")
            print(
                "| server | open | streams/s | CPU ms | of PostgreSQL | first event ms p50 / p99"
                " | overhead ms p50 / p99 | total : upstream | token ms p50 / p99 | failed |"
            )
            print("|---|---|---|---|---|---|---|---|---|---|")
            servers = [
                Server("bare relay, plain stream", bare.pid, relay_target(relay_port, "/plain")),
                Server("bare relay, sse-starlette", bare.pid, relay_target(relay_port, "/sse")),
                ours,
            ]
            for at_once in (10, 50, SATURATING):
                for server in servers:
                    await measure(server, at_once, seconds)
            loaded = use(process.pid)
            print(
                f"\nafter: {loaded.rss_mb:.0f} MB, PostgreSQL {loaded.children_pss_mb:.0f} MB PSS"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    asyncio.run(main(parser.parse_args().seconds))
