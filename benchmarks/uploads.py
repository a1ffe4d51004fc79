"""Measures what fifty uploads of 25 MiB at once cost: memory, and the latency of chats meanwhile.

    .venv/bin/python -m benchmarks.uploads

Word files of random pictures and a sentence each. The service is a process of its own; its memory
is read every 20 ms. The clients and their 1.3 GB share the machine with it: chats feel that, too.
"""

import asyncio
import os
import random
import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import psutil

from tests.support.office_files import docx_with, paragraph
from tests.support.service import Service, running_service
from tests.support.stories import an_agent, asking, stream

COUNT = 50
MIB = 1024 * 1024
FILE_BYTES = 25 * MIB - 64 * 1024
SAMPLE_S = 0.02
BASELINE_CHATS = 40
UPLOAD_TIMEOUT_S = 600.0
SETTLE_S = 1.0


def a_file(number: int) -> bytes:
    """A Word file of the largest size that is taken."""
    picture = random.Random(number).randbytes(FILE_BYTES)
    return docx_with(paragraph(f"Documento {number}."), **{"word/media/image1.png": picture})


class Memory:
    """The service's resident memory, and the most that it came to."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.most = 0

    def now(self) -> int:
        return self._process.memory_info().rss

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, self.now())
            await asyncio.sleep(SAMPLE_S)


async def chats(client: httpx2.AsyncClient, agent: str, until: asyncio.Event) -> list[float]:
    """How long each chat took, one after the other until told to stop."""
    times: list[float] = []
    while not until.is_set() or not times:
        started = time.perf_counter()
        await stream(client, agent, asking("Oi"))
        times.append(time.perf_counter() - started)
    return times


async def uploaded(client: httpx2.AsyncClient, base: str, content: bytes) -> str:
    """The id of the document that a file became."""
    answer = await client.post(
        "/api/v2/knowledge/upload",
        data={"knowledge_base_id": base},
        files={"file": ("a.docx", content)},
        timeout=UPLOAD_TIMEOUT_S,
    )
    if answer.status_code != 202:
        raise SystemExit(answer.text)
    return answer.json()["data"][0]["id"]


async def measure(service: Service, client: httpx2.AsyncClient, files: list[bytes]) -> None:
    """Upload all files at once and print what it did to the service."""
    base = (await client.post("/api/v2/knowledge/bases", json={"name": "b"})).json()["id"]
    agent = (await an_agent(client))["id"]
    before = [(await chats(client, agent, _now()))[0] for _ in range(BASELINE_CHATS)]
    memory = Memory(service.process.pid)
    rest, done = memory.now(), asyncio.Event()
    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(memory.watch())
        talking = tasks.create_task(chats(client, agent, done))
        uploads = [tasks.create_task(uploaded(client, base, content)) for content in files]
        await asyncio.wait(uploads)
        took_s = time.perf_counter() - started
        done.set()
        await talking
        await asyncio.sleep(SETTLE_S)
        watching.cancel()
    print(f"{COUNT} uploads of 25 MiB: {took_s:.1f} s, {COUNT * 25 / took_s:.0f} MiB/s")
    print(f"memory: {rest // MIB} MiB before, {memory.most // MIB} MiB at most")
    print(f"chat p95: {p95(before) * 1000:.0f} ms before, {p95(talking.result()) * 1000:.0f} ms")


def _now() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def p95(times: list[float]) -> float:
    """The time that all but one of twenty stay below."""
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


async def main() -> None:
    """Start a service, make the files, measure."""
    files = [a_file(number) for number in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_service(Path(folder, "data")) as service:
            limits = httpx2.Limits(max_connections=COUNT + 10)
            headers = {"Authorization": f"Bearer {service.key}"}
            async with httpx2.AsyncClient(
                base_url=service.url, headers=headers, timeout=60, limits=limits
            ) as client:
                await measure(service, client, files)


if __name__ == "__main__":
    asyncio.run(main())
