"""How the service stops: first it says so, then it listens no longer, then everything ends."""

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.support.completions_server import STREAM_HEAD, completions_server, delta
from tests.support.service import AS_MAKE_RUN_DOES, running_service
from tests.support.stories import an_agent, asking, stream

pytestmark = [pytest.mark.anyio, pytest.mark.once]
READY = "/health/ready"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


async def endless(exchange):
    await exchange.send(STREAM_HEAD)
    while True:
        await exchange.send(delta("pedaço "))
        await asyncio.sleep(0.05)


async def refused_after(client, started_s):
    """Seconds until nobody listens any longer; until then it says that it is not ready."""
    while True:
        try:
            answer = await client.get(READY)
        except httpx2.TransportError:  # refused, or waiting to be accepted when it closed
            return time.monotonic() - started_s
        assert answer.status_code == 503
        await asyncio.sleep(0.05)


async def test_while_draining_it_answers_that_it_is_not_ready_and_then_closes(data_dir):
    async with (
        running_service(data_dir, AS_MAKE_RUN_DOES, DRAIN_SECONDS="2") as service,
        service.client() as client,
    ):
        agent = await an_agent(client)
        service.process.send_signal(signal.SIGTERM)
        started_s = time.monotonic()
        await asyncio.sleep(0.2)
        ready = await client.get(READY)
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.headers["connection"] == "close"
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/api/v2/agents")).status_code == 200
        asked = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
        assert (asked.status_code, asked.json()["code"]) == (503, "server_stopping")
        assert 1.9 < await refused_after(client, started_s) < 8
        assert await service.process.wait() == 0
        assert "Traceback" not in service.log.read_text()


async def test_a_client_that_minds_readiness_sees_no_request_fail(data_dir):
    """200 requests a second; from the first 503 of `/health/ready` on, no more are sent."""
    async with running_service(data_dir, AS_MAKE_RUN_DOES, DRAIN_SECONDS="3") as service:
        turned_away = asyncio.Event()
        seen: Counter[int] = Counter()

        async def ask_again_and_again(client):
            while not turned_away.is_set():
                seen[(await client.get("/api/v2/agents")).status_code] += 1
                await asyncio.sleep(0.05)

        async def watch(client):
            while (await client.get(READY)).status_code == 200:
                await asyncio.sleep(0.5)
            turned_away.set()

        async with service.client() as client, asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(ask_again_and_again(client))
            tasks.create_task(watch(client))
            await asyncio.sleep(1)
            service.process.send_signal(signal.SIGTERM)
        assert seen.keys() == {200}
        assert seen[200] > 100


async def test_ctrl_c_closes_at_once(data_dir):
    async with (
        running_service(data_dir, AS_MAKE_RUN_DOES, DRAIN_SECONDS="10") as service,
        service.client() as client,
    ):
        await client.get(READY)
        started_s = time.monotonic()
        await service.end(signal.SIGINT)
        assert time.monotonic() - started_s < 5


@pytest.mark.parametrize("drain_s", ["0", "10"])
async def test_a_second_sigterm_ends_it_at_once_and_leaves_no_database(data_dir, drain_s):
    async with completions_server(endless) as server:
        upstream = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url}
        async with (
            running_service(
                data_dir, AS_MAKE_RUN_DOES, DRAIN_SECONDS=drain_s, **upstream
            ) as service,
            service.client() as client,
        ):
            agent = await an_agent(client, model_id="openai/test")
            following = asyncio.ensure_future(stream(client, agent["id"], asking("Oi")))
            async with asyncio.timeout(10):
                while not server.requests:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            children = psutil.Process(service.process.pid).children(recursive=True)
            assert children
            service.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            started_s = time.monotonic()
            await service.end()
            assert time.monotonic() - started_s < 5
            with suppress(httpx2.TransportError):
                await following
            assert not psutil.wait_procs(children, timeout=5)[1]
        async with running_service(data_dir, **upstream) as service, service.client() as client:
            (conversation,) = (await client.get("/api/v2/conversations")).json()["data"]
            path = f"/api/v2/conversations/{conversation['id']}/messages"
            kept = (await client.get(path)).json()["data"]
            assert [message["status"] for message in kept] == ["complete", "incomplete"]
            assert kept[1]["content"].startswith("pedaço")
