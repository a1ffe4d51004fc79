"""What our chat costs between a model and a client, beside bare relays that store nothing.

    .venv/bin/python -m benchmarks.chat_overhead [--seconds 10]

The model answers with 64 tokens, the first after 200 ms, 10 ms apart. Ours checks the key, reads
agent and history, commits messages, usage and events, and can be resumed; the relays do none of it.
Then turns of one token, plain reads of an agent (beside the relay's answer to a GET, for which it
reads nothing), and 1,000 chats open at once with a token a second each, while `/health/live` is
asked 20 times a second: how late that comes tells the loop's lag.

One worker each, all on this machine; ratios within one run mean more than absolute times. The CPU
of the driver and of the model's server is told, as a machine of two cores runs all of it.
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
from dataclasses import replace
from pathlib import Path

import httpx2
import uvloop

from app.core.settings import child_environment
from benchmarks.chat.driver import Target
from benchmarks.chat.measuring import (
    HEAD,
    LONG,
    SHORT,
    SLOW,
    Profile,
    Server,
    measure,
    measure_many,
    measure_reads,
)
from benchmarks.chat.processes import use
from benchmarks.chat.reads import Reading

SATURATING = 250
# By then all is loaded that a start does not wait for, and connections are closed that it alone
# had a use for.
AT_REST_S = 45
QUESTION = "Qual é o prazo?"
BARE, OURS = "SDK relay, plain stream", "ours"
SERVE = ("-m", "app.command_line", "serve")


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


async def prepare(port: int, folder: Path) -> tuple[dict[Profile, Target], Reading]:
    """Agents of the service over the model: the requests that talk to them, and one to read."""
    key = (folder / "api_key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    sent = f"authorization: Bearer {key}\r\n"
    body = json.dumps({"messages": [{"role": "user", "content": QUESTION}]}).encode()
    targets: dict[Profile, Target] = {}
    path = ""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        for profile in (LONG, SHORT, SLOW):
            agent = {"name": "Bench", "model_id": f"openai/{profile.model}"}
            made = (await client.post("/api/v2/agents", json=agent)).raise_for_status().json()
            path = f"/api/v2/agents/{made['id']}"
            target = Target(port, f"{path}/chat/stream", body, sent)
            targets[profile] = replace(target, tokens=profile.tokens)
    return targets, Reading(port, path, sent)


def relay_targets(port: int, path: str) -> dict[Profile, Target]:
    """The requests that a relay takes."""
    return {
        profile: Target(port, path, _asked(profile), tokens=profile.tokens)
        for profile in (LONG, SHORT, SLOW)
    }


def _asked(profile: Profile) -> bytes:
    messages = [{"role": "user", "content": QUESTION}]
    return json.dumps({"model": profile.model, "messages": messages, "stream": True}).encode()


def variables_of(folder: Path, port: int, upstream: str) -> dict[str, str]:
    """The environment of the service."""
    return {
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": upstream,
        "LOG_LEVEL": "warning",
    }


async def measure_all(
    servers: list[Server], model_pid: int, readings: dict[str, Reading], seconds: float
) -> None:
    """Print all tables; the last server is ours."""
    ours = servers[-1]
    await tell_at_rest("before", ours)
    print(f"\n{HEAD}")
    for at_once in (10, 50, 100, SATURATING):
        for server in servers:
            await measure(server, model_pid, LONG, at_once, seconds)
    print(f"\nTurns of one token, {SHORT.first_ms} ms after the question:\n\n{HEAD}")
    for server in servers:
        await measure(server, model_pid, SHORT, 50, seconds)
    print()
    for server in servers:
        if server.name in readings:
            await measure_reads(server, readings[server.name], seconds)
    await measure_many(ours, readings[ours.name].port)
    await tell_at_rest("after", ours)


async def tell_at_rest(when: str, server: Server) -> None:
    """Print what its processes hold when nothing is asked."""
    await asyncio.sleep(AT_REST_S)
    held = use(server.pid)
    print(f"at rest {when}: {held.rss_mb:.0f} MB, PostgreSQL {held.children_pss_mb:.0f} MB PSS")


async def main(seconds: float) -> None:
    """Start everything, measure, print."""
    upstream_port, relay_port, raw_port, port = (free_port() for _ in range(4))
    upstream = f"http://127.0.0.1:{upstream_port}/v1"
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)  # under root, PostgreSQL runs as another user
        folder = Path(parent, "data")
        variables = variables_of(folder, port, upstream)
        bare_start = relay("bare_relay", relay_port)
        for which in ("first", "second", "third"):
            began = time.monotonic()
            with started(*bare_start, BENCHMARK_UPSTREAM=upstream):
                await until_open(relay_port)
                relay_s = time.monotonic() - began
            began = time.monotonic()
            with started(*SERVE, **variables):
                await until_open(port, "/health/ready")
                ours_s = time.monotonic() - began
            print(f"{which} start: ready after {ours_s:.2f} s, the SDK relay after {relay_s:.2f} s")
        with (
            started("-m", "benchmarks.chat.upstream", "--port", str(upstream_port)) as model,
            started(*bare_start, BENCHMARK_UPSTREAM=upstream) as bare,
            started(*relay("raw_relay", raw_port), BENCHMARK_UPSTREAM=upstream) as raw,
            started(*SERVE, **variables) as process,
        ):
            await until_open(relay_port)
            await until_open(raw_port)
            await until_open(port, "/health/ready")
            targets, reading = await prepare(port, folder)
            servers = [
                Server("raw relay, the floor", raw.pid, relay_targets(raw_port, "/")),
                Server(BARE, bare.pid, relay_targets(relay_port, "/plain")),
                Server("SDK relay, sse-starlette", bare.pid, relay_targets(relay_port, "/sse")),
                Server(OURS, process.pid, targets),
            ]
            readings = {BARE: Reading(relay_port, "/read"), OURS: reading}
            await measure_all(servers, model.pid, readings, seconds)


def relay(module: str, port: int) -> tuple[str, ...]:
    """The command of a relay."""
    served = f"benchmarks.chat.{module}:app"
    return ("-m", "uvicorn", served, "--port", str(port), "--no-access-log")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(parser.parse_args().seconds))
