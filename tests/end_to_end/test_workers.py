"""The workers of one server show one set of figures, whichever of them is asked."""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.conftest import database_url
from tests.features.test_reranking import by_length
from tests.support.completions_server import completions_server
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.redis_server import running_redis
from tests.support.service import Service, running_service
from tests.support.stories import a_base, a_document

pytestmark = [pytest.mark.anyio, pytest.mark.once]
TOKEN = "metrics-token-of-these-tests"
LIVE = 'agentes_http_request_duration_seconds_count{method="GET",route="/health/live",status="200"}'
MEMORY = re.compile(r'process_resident_memory_bytes\{pid="(\d+)"\} (\S+)')
RATED = 'agentes_helper_call_seconds_count{kind="reranker",name="compatible",outcome="ok"}'
TASKS = re.compile(r'agentes_event_loop_tasks\{pid="(\d+)"\} (\S+)')


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@asynccontextmanager
async def two_workers(folder: Path, database: str, **variables: str) -> AsyncIterator[Service]:
    temporary = folder / "tmp"
    temporary.mkdir()
    async with (
        running_redis() as redis,
        running_service(
            folder / "data",
            DATABASE_URL=database,
            REDIS_URL=redis.url,
            WEB_CONCURRENCY="2",
            METRICS_TOKEN=TOKEN,
            TMPDIR=str(temporary),
            **variables,
        ) as service,
    ):
        yield service


async def fetched(service: Service, path: str) -> str:
    """Over a connection of its own, which either worker may take."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(verify=PLAIN_HTTP, timeout=20) as client:
        answer = await client.get(service.url + path, headers=headers)
    assert answer.status_code == 200
    return answer.text


def live_in(told: str) -> float:
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(LIVE))


async def figures_of_two(service: Service) -> str:
    """The figures once both workers have told of themselves."""
    async with asyncio.timeout(60):
        while True:
            told = await fetched(service, "/metrics")
            if len(TASKS.findall(told)) == 2:
                return told
            await asyncio.sleep(0.1)


async def test_any_worker_tells_of_all_of_them(folder, cluster, connection):
    name = await connection.fetchval("select current_database()")
    async with two_workers(folder, database_url(cluster, name)) as service:
        before = await figures_of_two(service)
        for _ in range(20):
            await fetched(service, "/health/live")
        for _ in range(10):
            told = await fetched(service, "/metrics")
            assert live_in(told) == live_in(before) + 20
            memory = dict(MEMORY.findall(told))
            assert len(memory) == 2
            assert all(float(size) > 1e6 for size in memory.values())
            assert told.count("# TYPE agentes_queue_length gauge") == 1
            assert 'agentes_runs_unpriced_total{provider="openai"} 0.0' in told
        # One that dies takes its own state along, and nothing of what it has counted.
        dead = min(memory)
        os.kill(int(dead), signal.SIGKILL)
        async with asyncio.timeout(60):
            while dead in dict(MEMORY.findall(told)):
                await asyncio.sleep(0.1)
                try:
                    told = await fetched(service, "/metrics")
                except httpx2.TransportError:
                    continue  # it was still in the dead one's queue
        assert live_in(told) == live_in(before) + 20
        told = await figures_of_two(service)
        assert dead not in dict(TASKS.findall(told))


async def test_calls_of_a_reranker_are_those_of_all_workers(folder, cluster, connection):
    name = await connection.fetchval("select current_database()")
    async with (
        completions_server(by_length) as reranker,
        two_workers(
            folder,
            database_url(cluster, name),
            COMPATIBLE_BASE_URL=reranker.url,
            RERANK_MODEL_ID="compatible/m",
        ) as service,
    ):
        await figures_of_two(service)
        async with service.client() as client:
            base = await a_base(client)
            await a_document(client, base)
        body = {"query": "prazo de entrega", "knowledge_base_id": base}
        for _ in range(8):
            async with service.client() as client:
                answer = await client.post("/api/v2/knowledge/search", json=body)
                assert answer.json()["reranked"]
        for _ in range(8):
            assert f"{RATED} 8.0" in await fetched(service, "/metrics")
