"""Two processes over one database and one Redis behave as one, also when one of them is killed."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.approvals import SUM, calling, decide, is_waiting, saying
from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    completions_server,
    delta,
    finish,
)
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
from tests.support.tools import a_tool

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
        scripts = request.param()
        scripts = scripts if isinstance(scripts, tuple) else (scripts,)
        server = await stack.enter_async_context(completions_server(*scripts))
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
        # Under load two words may arrive together, and are one event then.
        assert [number_of(frame) for frame in both] == list(range(1, len(both) + 1)), cut
        texts = [data_of(frame)["data"] for frame in both if name_of(frame) == "answer"]
        assert ("".join(texts), name_of(both[-1])) == ("".join(WORDS), "done"), cut


async def counted(exchange):
    """An answer of 50 tokens read and 200 written."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":200}}\n\n'
    await exchange.send(STREAM_HEAD, delta("Ol\u00e1."), finish(), usage, DONE)


@pytest.mark.once
@pytest.mark.parametrize("pair", [whole_of(counted)], ids=["counted"], indirect=True)
async def test_two_processes_overrun_one_budget_by_one_answer_at_most(pair, connection):
    ceiling = 6_000
    budget = {"budgets": {"organization_tokens_per_day": ceiling}}
    agent = pair.path.removesuffix("/chat")
    assert (await pair.clients[0].patch(agent, json={"max_tokens": 200})).status_code == 200
    assert (await pair.clients[1].patch("/api/v2/settings", json=budget)).status_code == 200
    await asyncio.sleep(5)  # both have heard of it
    statuses = {200}
    while statuses != {402}:
        answers = await asyncio.gather(
            *(pair.clients[n % 2].post(pair.path, json=asking("Oi")) for n in range(50))
        )
        statuses = {answer.status_code for answer in answers}
        assert statuses <= {200, 402}
    row = await connection.fetchrow("select used, reserved from agentes.budget_counters")
    runs = await connection.fetchval("select count(*) from agentes.runs")
    assert (row["used"], row["reserved"]) == (250 * runs, 0)
    assert ceiling - 400 < row["used"] <= ceiling + 200


@pytest.mark.once
@pytest.mark.parametrize("pair", [Endless], ids=["endless"], indirect=True)
async def test_what_a_killed_process_had_set_aside_is_given_back(pair, connection):
    budget = {"budgets": {"organization_tokens_per_day": 100_000}}
    await pair.clients[0].patch("/api/v2/settings", json=budget)
    await pair.begin(4)
    reserved = "select used, reserved > 0 as is_reserved from agentes.budget_counters"
    assert dict(await connection.fetchrow(reserved)) == {"used": 0, "is_reserved": True}
    await pair.services[0].end(signal.SIGKILL)
    async with asyncio.timeout(90):
        while (await connection.fetchrow(reserved))["is_reserved"]:
            await asyncio.sleep(0.5)


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


def refunding():
    return calling(SUM, text="Vou estornar."), saying("Feito.")


async def until_it_waits(pair, reader) -> tuple[list[bytes], str, str]:
    """The frames so far, the run and the call that a person has to decide on."""
    frames = []
    while not frames or not is_waiting(frames[-1]):
        frames += await reader.take(1)
    run_id = data_of(frames[0])["run_id"]
    while True:
        run = (await pair.clients[1].get(f"{pair.path}/runs/{run_id}")).json()
        if run["status"] == "awaiting_approval":
            return frames, run_id, run["pending_calls"][0]["call_id"]
        await asyncio.sleep(0.05)


@pytest.mark.once
@pytest.mark.parametrize("pair", [refunding], ids=["refunding"], indirect=True)
async def test_decided_at_one_process_a_run_goes_on_in_the_stream_of_the_other(pair):
    agent = pair.path.split("/")[4]
    await a_tool(pair.clients[0], agent, name="estornar", risk="approval_required")
    async with pair.clients[0].stream("POST", f"{pair.path}/stream", json=asking("Oi")) as answer:
        reader = FrameReader(answer)
        frames, run_id, call_id = await until_it_waits(pair, reader)
        elsewhere = asyncio.ensure_future(pair.resume(run_id, 2))
        await asyncio.sleep(0.2)
        both = [
            decide(client, pair.path, run_id, call_id, decision="approve")
            for client in pair.clients * 3
        ]
        codes = [answer.status_code for answer in await asyncio.gather(*both)]
        assert sorted(codes) == [200, 409, 409, 409, 409, 409]
        frames += await asyncio.wait_for(reader.take(), 20)
    assert [number_of(frame) for frame in frames] == list(range(1, len(frames) + 1))
    assert name_of(frames[-1]) == "done"
    assert await asyncio.wait_for(elsewhere, 20) == frames[2:]


@pytest.mark.once
@pytest.mark.parametrize("pair", [refunding], ids=["refunding"], indirect=True)
async def test_a_run_outlives_the_process_in_which_it_began_to_wait(pair):
    agent = pair.path.split("/")[4]
    await a_tool(pair.clients[0], agent, name="estornar", risk="approval_required")
    async with pair.clients[0].stream("POST", f"{pair.path}/stream", json=asking("Oi")) as answer:
        frames, run_id, call_id = await until_it_waits(pair, FrameReader(answer))
        await pair.services[0].end(signal.SIGKILL)
    following = asyncio.ensure_future(pair.resume(run_id, 3))
    await asyncio.sleep(0.2)
    await decide(pair.clients[1], pair.path, run_id, call_id, decision="approve")
    rest = await asyncio.wait_for(following, 20)
    assert rest[: len(frames) - 3] == frames[3:]
    assert [number_of(frame) for frame in rest] == list(range(4, 4 + len(rest)))
    assert name_of(rest[-1]) == "done"


@pytest.mark.once
@pytest.mark.parametrize("pair", [whole_of(slowly)], ids=["slowly"], indirect=True)
async def test_limits_and_versions_hold_over_both_processes(pair):
    agent = pair.path.removesuffix("/chat")
    answers = await asyncio.gather(
        *(
            pair.clients[n % 2].patch(agent, json={"name": f"N{n}"}, headers={"If-Match": '"1"'})
            for n in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    limits = {"rate_limits": {"requests_per_minute": 100}}
    assert (await pair.clients[0].patch("/api/v2/settings", json=limits)).status_code == 200
    await asyncio.sleep(6)  # until both know
    started_s = time.monotonic()
    # A process that cannot keep up waits for Redis in vain, and counts for itself meanwhile.
    at_once = asyncio.Semaphore(10)

    async def read(client: httpx2.AsyncClient) -> httpx2.Response:
        async with at_once:
            return await client.get(agent)

    answers = await asyncio.gather(*(read(pair.clients[n % 2]) for n in range(200)))
    refilled = int((time.monotonic() - started_s) * 100 / 60)
    passed = sum(answer.status_code == 200 for answer in answers)
    assert 100 <= passed <= 100 + refilled
    assert passed + sum(answer.status_code == 429 for answer in answers) == 200
