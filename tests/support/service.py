"""The service as a process of its own, over its embedded database."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.core.settings import child_environment

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Service:
    """A running service; `log` grows while it runs."""

    process: asyncio.subprocess.Process
    url: str
    key: str
    log: Path

    def client(self) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    async def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)


@asynccontextmanager
async def running_service(
    data_dir: Path, *, once: str = "/health/ready", **variables: str
) -> AsyncIterator[Service]:
    """Started as README says by hand, given once that path is 200; ended with SIGTERM."""
    port = free_port()
    log = data_dir.parent / "service.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env=child_environment(DATA_DIR=str(data_dir), LOG_FORMAT="json", **variables),
        )
    url = f"http://127.0.0.1:{port}"
    try:
        await _answering(process, url + once, log)
        yield Service(process, url, (data_dir / "api_key").read_text().strip(), log)
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)


async def _answering(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    async with asyncio.timeout(30), httpx2.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError(await asyncio.to_thread(log.read_text))
