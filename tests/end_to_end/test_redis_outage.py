"""The service with a Redis that is not there, comes, goes and comes back (RD-1, RD-2, RD-4)."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.redis_server import running_redis
from tests.support.service import running_service
from tests.support.stories import a_taught_agent, asking, stream, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.once]
QUESTION = "Qual o prazo de entrega para o Nordeste?"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


async def becomes(client, status: str) -> None:
    async with asyncio.timeout(10):
        while True:
            answer = await client.get("/health/ready")
            assert answer.status_code == 200
            body = answer.json()
            assert body["checks"]["database"]["status"] == "ok"
            if body["status"] == status:
                return
            await asyncio.sleep(0.1)


async def test_chats_go_on_whatever_becomes_of_redis(data_dir):
    async with running_redis() as server:
        await server.kill()
        async with (
            running_service(data_dir, REDIS_URL=server.url) as service,
            service.client() as client,
        ):
            await becomes(client, "degraded")
            agent = await a_taught_agent(client)
            answers = [await stream(client, agent["id"], asking(QUESTION))]
            await server.start()
            await becomes(client, "ok")
            answers += [await stream(client, agent["id"], asking(QUESTION))]
            run_id = answers[-1][-1]["run_id"]
            async with asyncio.timeout(5):  # frames are written a few times a second
                while not await server.do("EXISTS", f"adc:v1:run:{run_id}"):
                    await asyncio.sleep(0.02)
            await server.kill()
            answers += [await stream(client, agent["id"], asking(QUESTION)) for _ in range(5)]
            await becomes(client, "degraded")
            await server.start()
            await becomes(client, "ok")
    assert {events[-1]["event"] for events in answers} == {"done"}
    assert len({text_of(events) for events in answers}) == 1
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if "{" in line]
    told = [line["event"] for line in lines if line["event"].startswith("redis_")]
    # Each change is told of once, and one that did not last is not.
    assert told[0] == "redis_down"
    assert all(before != after for before, after in pairwise(told))
