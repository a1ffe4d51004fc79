"""Redis away, silent, refusing, and back: everything goes on by itself meanwhile (RD-1 to RD-5)."""

import asyncio
import time

import pytest

from app.adapters.shared.redis import open_redis
from app.core.clock import SystemClock
from app.ports.limiter import Rate
from app.ports.shared import SharedState
from tests.support.loads import Counted
from tests.support.redis_server import REFUSING, RedisServer, muting_proxy
from tests.support.runs import Viewer, a_run_id, frame, frames, write

pytestmark = pytest.mark.anyio
NEVER_REFILLED_S = 36_000.0
# What may be lost on a loaded machine beyond what is promised.
LATE_S = 1.0


async def shared_again(*processes: SharedState, within_s: float = 5 + LATE_S) -> None:
    async with asyncio.timeout(within_s):
        for process in processes:
            while not await process.is_shared_now():
                await asyncio.sleep(0.05)


async def break_it(server: RedisServer, how: str) -> None:
    match how:
        case "killed":
            await server.kill()
        case "frozen":
            server.freeze()
        case _:
            await server.refuse(how)


async def mend_it(server: RedisServer, how: str) -> None:
    match how:
        case "killed":
            await server.start()
        case "frozen":
            server.thaw()
        case _:
            await server.accept(how)


async def everything_works_alone(process: SharedState) -> None:
    load = Counted("loaded")
    assert await process.cache.fetch("alone", load, ttl_s=60) == "loaded"
    await process.cache.forget("alone")
    assert await process.cache.fetch("alone", load, ttl_s=60) == "loaded"
    assert load.count == 2
    rate = Rate(5, NEVER_REFILLED_S)
    taken = [(await process.limiter.take("alone", rate)).allowed for _ in range(10)]
    assert sum(taken) == 5
    async with process.bus.subscribe("alone") as messages:
        await process.bus.publish("alone", {"n": 1})
        assert await asyncio.wait_for(anext(messages), 1) == {"n": 1}
    run_id = a_run_id()
    buffer = process.run_buffers.open(run_id)
    write(buffer, 1, 3)
    await process.run_buffers.terminate(a_run_id(), b"x")
    assert not await process.run_buffers.has_elsewhere(run_id)
    assert await process.run_buffers.is_watched_elsewhere(run_id)
    buffer.close()
    assert [seen async for seen in buffer.follow()] == frames(1, 3)


async def test_without_redis_at_the_start_it_works_alone_until_redis_comes(server):
    await server.kill()
    async with open_redis(server.url, SystemClock()) as process:
        assert not await process.is_shared_now()
        await everything_works_alone(process)
        await server.start()
        await shared_again(process)
        await process.limiter.take("k", Rate(5, NEVER_REFILLED_S))
        assert await server.do("EXISTS", "adc:v1:limit:k")


@pytest.mark.parametrize("how", ["killed", "frozen", *REFUSING])
async def test_an_outage_costs_a_moment_once_and_ends_by_itself(processes, server, how):
    one, other, _ = processes
    rate = Rate(1000, NEVER_REFILLED_S)
    await one.limiter.take("k", rate)
    await break_it(server, how)
    durations_s = []
    for _ in range(50):
        began_s = time.monotonic()
        assert (await one.limiter.take("k", rate)).allowed
        await one.cache.fetch("k", Counted("v"), ttl_s=60)
        await one.cache.forget("k")
        durations_s.append(time.monotonic() - began_s)
    assert durations_s[0] <= 0.3 + LATE_S
    assert sum(durations_s[1:]) < LATE_S
    await everything_works_alone(one)
    await mend_it(server, how)
    await shared_again(one, other)
    async with one.bus.subscribe("c") as messages, asyncio.timeout(10):
        heard = asyncio.ensure_future(anext(messages))
        while not heard.done():
            await other.bus.publish("c", {"n": 1})
            await asyncio.sleep(0.05)
    left = (await one.limiter.take("shared", rate)).remaining
    assert (await other.limiter.take("shared", rate)).remaining == left - 1


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_many_at_once_in_a_silent_outage_wait_no_longer_than_one(processes, server, how):
    await break_it(server, how)
    began_s = time.monotonic()
    rate = Rate(100, NEVER_REFILLED_S)
    taken = await asyncio.gather(*(processes[0].limiter.take("k", rate) for _ in range(300)))
    assert time.monotonic() - began_s <= 0.3 + LATE_S
    assert sum(decision.allowed for decision in taken) == 100
    await mend_it(server, how)


@pytest.mark.parametrize("how", ["killed", "frozen", *REFUSING])
async def test_a_run_goes_on_in_an_outage_and_is_whole_elsewhere_afterwards(processes, server, how):
    owner, elsewhere, fresh = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 10)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 10))
    await break_it(server, how)
    for event_id in range(11, 31):
        buffer.append(event_id, frame(event_id))
        await asyncio.sleep(0.02)
    await mend_it(server, how)
    write(buffer, 31, 40)
    buffer.close()
    assert await viewer.end() == frames(1, 40)
    assert await Viewer(fresh, run_id).end() == frames(1, 40)
    assert not buffer.is_fenced


async def test_what_could_not_be_forgotten_or_ended_is_made_up_for(processes, server):
    one, other, third = processes
    run_id = a_run_id()
    write(third.run_buffers.open(run_id), 1, 3)
    await Viewer(other, run_id).sees(frames(1, 3))
    await one.cache.fetch("k", Counted("old"), ttl_s=60)
    server.freeze()
    await one.limiter.take("k", Rate(5, NEVER_REFILLED_S))  # so that it is known to be down
    await one.cache.forget("k")
    await one.run_buffers.terminate(run_id, b"ended by another")
    assert await one.cache.fetch("k", Counted("new"), ttl_s=1) == "new"
    server.thaw()
    await shared_again(one, other)
    async with asyncio.timeout(5):
        while await server.do("GET", "adc:v1:cache:k") == b'="old"':
            await asyncio.sleep(0.05)
    assert await other.cache.fetch("k", Counted("new"), ttl_s=60) == "new"
    assert (await Viewer(other, run_id).end())[-1] == b"ended by another"


async def test_a_redis_that_comes_and_goes_leaves_no_connections_behind(processes, server):
    for how in ("READONLY", "NOAUTH", "OOM", "frozen"):
        await break_it(server, how)
        for process in processes:
            await asyncio.gather(
                *(process.limiter.take("k", Rate(5, NEVER_REFILLED_S)) for _ in range(50))
            )
        await mend_it(server, how)
        await shared_again(*processes)
    connections = (await server.do("CLIENT", "LIST")).count(b"\n")
    assert connections <= 3 * 18 + 1


async def test_a_connection_that_died_without_a_word_is_replaced(server, processes):
    async with (
        muting_proxy(server) as proxy,
        open_redis(proxy.url, SystemClock()) as process,
        process.bus.subscribe("c") as messages,
        asyncio.timeout(15),
    ):
        await processes[0].bus.publish("c", {"n": 0})
        assert await anext(messages) == {"n": 0}
        proxy.mute()
        heard = asyncio.ensure_future(anext(messages))
        while not heard.done():
            await processes[0].bus.publish("c", {"n": 1})
            await asyncio.sleep(0.05)
        assert await heard == {"n": 1}


async def test_a_server_that_is_loading_counts_as_down():
    async def loading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        writer.close()

    async with await asyncio.start_server(loading, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with open_redis(f"redis://127.0.0.1:{port}/0", SystemClock()) as process:
            assert not await process.is_shared_now()
            await everything_works_alone(process)


async def test_an_error_of_the_service_comes_out_as_it_is(server):
    with pytest.raises(ValueError, match="its own"):
        async with open_redis(server.url, SystemClock()):
            raise ValueError("its own")
