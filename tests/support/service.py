"""The service as a process of its own, over its embedded database if no other is chosen."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.core.settings import child_environment
from tests.support.loopback_only import PLAIN_HTTP

ROOT = Path(__file__).parents[2]
# uvicorn closes a connection that was idle for 5 s, httpx as well: a request that is being sent at
# that moment would be lost.
SHORT_IDLE = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2)
# Where services keep their data; empty for the embedded database.
STORE_VARIABLES: dict[str, str] = {}


def free_port() -> int:
    """A port that nobody listens at, and that the kernel gives to no outgoing connection.

    Tests run side by side: one from the kernel's own range would be taken meanwhile.
    """
    while True:
        port = secrets.choice(range(10_000, 32_000))
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class Service:
    """A running service; `log` grows while it runs."""

    process: asyncio.subprocess.Process
    url: str
    key: str
    log: Path

    def client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.AsyncClient(
            verify=PLAIN_HTTP, base_url=self.url, headers=headers, timeout=30, limits=SHORT_IDLE
        )

    async def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


BY_HAND = ("-m", "uvicorn", "main:app", "--port")
AS_MAKE_RUN_DOES = ("-m", "app.command_line", "serve")


async def started(
    data_dir: Path, port: int, log: Path, command: tuple[str, ...] = BY_HAND, **variables: str
) -> asyncio.subprocess.Process:
    """The service's process, which may still be starting or fail to."""
    arguments = (*command, str(port)) if command is BY_HAND else command
    environment = {"DATA_DIR": str(data_dir), "LOG_FORMAT": "json"}
    with open(log, "ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env=child_environment(
                **{
                    **environment,
                    "HOST": "127.0.0.1",
                    "PORT": str(port),
                    **STORE_VARIABLES,
                    **variables,
                }
            ),
        )


@asynccontextmanager
async def running_service(
    data_dir: Path,
    command: tuple[str, ...] = BY_HAND,
    *,
    once: str = "/health/ready",
    key: str | None = None,
    **variables: str,
) -> AsyncIterator[Service]:
    """Started by hand as README says, or otherwise, given once that path is 200; then ended.

    A service over a database that has its first key already keeps none: name one for it.
    """
    port = free_port()
    log = data_dir.parent / "service.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    process = await started(data_dir, port, log, command, **variables)
    url = f"http://127.0.0.1:{port}"
    try:
        await _answering(process, url + once, log)
        yield Service(process, url, key or (data_dir / "api_key").read_text().strip(), log)
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)


async def _answering(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    async with asyncio.timeout(30), httpx2.AsyncClient(verify=PLAIN_HTTP) as client:
        while process.returncode is None:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError(await asyncio.to_thread(log.read_text))
