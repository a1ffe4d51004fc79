"""Two processes over one database and one Redis behave as one, also when one of them is killed."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.completions_server import completions_server
from tests.support.redis_server import running_redis
from tests.support.run_streams import (
    MODEL,
    WORDS,
    Endless,
    FrameReader,
    data_of,
    name_of,
    number_of,
    resume,
    slowly,
)
from tests.support.service import STORE_VARIABLES, Service, running_service
from tests.support.stories import an_agent, asking

pytestmark = pytest.mark.anyio
RESERVED = 2_000_000_000


@dataclass
class Pair:
    """Two processes, a client of each, an agent."""

    services: tuple[Service, Service]
    clients: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    path: str

    async def begin(self, count: int, **fields) -> list[bytes]:
        """The first frames of a chat at the first process; then its connection is cut."""
        async with self.clients[0].stream(
            "POST", f"{self.path}/stream", json=asking("Oi", **fields)
        ) as answer:
            return await FrameReader(answer).take(count)

    async def resume(self, run_id: str, after: int) -> list[bytes]:
        """The rest at the second process."""
        return await resume(self.clients[1], self.path, run_id, after)


@pytest.fixture
async def pair(request, cluster, database_name) -> AsyncIterator[Pair]:
    url = f"postgresql://postgres@/{database_name}?host={cluster.socket_dir}&port={cluster.port}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(completions_server(request.param()))
        redis = await stack.enter_async_context(running_redis())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        variables = {
            **(STORE_VARIABLES or {"DATABASE_URL": url}),
            "REDIS_URL": redis.url,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": server.url,
        }
        services = [
            await stack.enter_async_context(running_service(Path(folder, "data"), **variables))
            for _ in range(2)
        ]
        clients = [await stack.enter_async_context(one.client()) for one in services]
        agent = await an_agent(clients[0], model_id=MODEL)
        path = f"/api/v2/agents/{agent['id']}/chat"
        yield Pair(tuple(services), tuple(clients), path)


def whole_of(script):
    return lambda: script


@pytest.mark.parametrize("pair", [whole_of(slowly)], ids=["slowly"], indirect=True)
async def test_cut_after_every_event_a_stream_goes_on_at_the_other_process(pair):
    whole = await pair.begin(100)
    for cut in range(1, len(whole)):
        first = await pair.begin(cut)
        both = first + await pair.resume(data_of(first[0])["run_id"], number_of(first[-1]))
        assert [number_of(frame) for frame in both] == list(range(1, len(whole) + 1)), cut
        texts = [data_of(frame)["data"] for frame in both if name_of(frame) == "answer"]
        assert texts == WORDS, cut


@pytest.mark.once
@pytest.mark.parametrize("pair", [Endless], ids=["endless"], indirect=True)
async def test_a_stream_whose_owner_is_killed_ends_once_at_the_other_process(pair):
    async with pair.clients[0].stream("POST", f"{pair.path}/stream", json=asking("Oi")) as answer:
        first = await FrameReader(answer).take(12)
        run_id = data_of(first[0])["run_id"]
        following = asyncio.ensure_future(pair.resume(run_id, 5))
        await asyncio.sleep(1)
        await pair.services[0].end(signal.SIGKILL)
    rest = await asyncio.wait_for(following, 60)
    numbers = [number_of(frame) for frame in rest]
    assert numbers[-1] == RESERVED
    assert numbers[:-1] == list(range(6, 6 + len(numbers) - 1))
    assert len(numbers) > 12
    assert rest[: len(first) - 5] == first[5:]
    assert data_of(rest[-1])["data"]["code"] == "run_interrupted"
    # Whoever had read further than anybody else knows still sees the end, and nothing twice.
    assert await pair.resume(run_id, 1_000_000) == rest[-1:]
    assert await pair.resume(run_id, 5) == rest
    run = (await pair.clients[1].get(f"{pair.path}/runs/{run_id}")).json()
    assert (run["status"], run["last_event_id"]) == ("failed", RESERVED)


@pytest.mark.parametrize("pair", [Endless], ids=["endless"], indirect=True)
async def test_a_run_is_cancelled_from_the_other_process(pair):
    first = await pair.begin(4)
    run_id = data_of(first[0])["run_id"]
    following = asyncio.ensure_future(pair.resume(run_id, 4))
    state = (await pair.clients[1].post(f"{pair.path}/runs/{run_id}/cancel")).json()
    assert state["status"] == "cancelled"
    last = (await asyncio.wait_for(following, 10))[-1]
    assert name_of(last) == "done"
    assert data_of(last)["data"]["finish_reason"] == "cancelled"


@pytest.mark.once
@pytest.mark.parametrize("pair", [whole_of(slowly)], ids=["slowly"], indirect=True)
async def test_equal_requests_at_both_processes_are_one_run(pair):
    headers = {"Idempotency-Key": "both"}

    async def frames(client):
        async with client.stream(
            "POST", f"{pair.path}/stream", json=asking("Oi"), headers=headers
        ) as answer:
            return await FrameReader(answer).take()

    streams = await asyncio.gather(*(frames(pair.clients[n % 2]) for n in range(20)))
    assert all(one == streams[0] for one in streams)
    assert name_of(streams[0][-1]) == "done"


@pytest.mark.once
@pytest.mark.parametrize("pair", [Endless], ids=["endless"], indirect=True)
async def test_a_frozen_owner_finds_itself_fenced_off(pair):
    async with pair.clients[0].stream("POST", f"{pair.path}/stream", json=asking("Oi")) as answer:
        reader = FrameReader(answer)
        run_id = data_of((await reader.take(4))[0])["run_id"]
        pair.services[0].process.send_signal(signal.SIGSTOP)
        try:
            elsewhere = await asyncio.wait_for(pair.resume(run_id, 4), 60)
        finally:
            pair.services[0].process.send_signal(signal.SIGCONT)
        own = await asyncio.wait_for(reader.take(), 20)
    assert number_of(own[-1]) == number_of(elsewhere[-1]) == RESERVED
    assert data_of(own[-1])["data"]["code"] == "run_interrupted"
    numbers = [number_of(frame) for frame in own]
    assert numbers == sorted(set(numbers))
