"""What cache, limiter, bus and run buffers promise, asked of memory and of a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.adapters.shared.memory import open_memory
from app.adapters.shared.memory_bus import MAX_WAITING
from app.adapters.shared.redis import open_redis
from app.core.clock import SystemClock
from app.core.ids import RunId, new_id
from app.ports.limiter import Rate, Wanted
from app.ports.run_buffers import RESERVED_TERMINAL_ID
from app.ports.shared import SharedState
from tests.support.loads import Counted
from tests.support.redis_server import running_redis

pytestmark = pytest.mark.anyio
NEVER_REFILLED_S = 36_000.0


@pytest.fixture(params=["memory", "redis"])
async def shared(request) -> AsyncIterator[SharedState]:
    if request.param == "memory":
        async with open_memory(SystemClock()) as state:
            yield state
    else:
        async with running_redis() as server, open_redis(server.url, SystemClock()) as state:
            assert await state.is_shared_now()
            yield state


def a_run(shared: SharedState, frames: int = 0):
    buffer = shared.run_buffers.open(RunId(new_id()))
    for event_id in range(1, frames + 1):
        buffer.append(event_id, b"%d" % event_id)
    return buffer


async def all_of(frames) -> list[bytes]:
    async with aclosing(frames), asyncio.timeout(20):
        return [frame async for frame in frames]


async def test_a_value_is_loaded_once_and_kept(shared):
    load = Counted({"name": "Ação", "parts": (1, 2.5, None)})
    for _ in range(3):
        value = await shared.cache.fetch("k", load, ttl_s=60)
        assert value == {"name": "Ação", "parts": [1, 2.5, None]}
        value["name"] = "changed by one caller"
    assert load.count == 1


async def test_nothing_is_a_value_too(shared):
    load = Counted(None)
    assert [await shared.cache.fetch("k", load, ttl_s=60) for _ in range(2)] == [None, None]
    assert load.count == 1


async def test_a_value_is_loaded_again_once_its_time_is_over(shared):
    load = Counted("old")
    assert await shared.cache.fetch("k", load, ttl_s=0.3) == "old"
    load.value = "new"
    await asyncio.sleep(0.35)
    assert await shared.cache.fetch("k", load, ttl_s=0.3) == "new"


async def test_a_hundred_who_ask_at_once_wait_for_one_load(shared):
    load = Counted("v", takes_s=0.1)
    asked = [shared.cache.fetch("k", load, ttl_s=60) for _ in range(100)]
    assert await asyncio.gather(*asked) == ["v"] * 100
    assert load.count == 1


async def test_a_load_that_fails_tells_all_and_keeps_nothing(shared):
    load = Counted(ValueError("no"), takes_s=0.05)
    asked = [shared.cache.fetch("k", load, ttl_s=60) for _ in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no"] * 10
    assert load.count == 1
    load.value = "yes"
    assert await shared.cache.fetch("k", load, ttl_s=60) == "yes"


async def test_those_who_wait_are_served_though_the_first_goes_away(shared):
    load = Counted("v", takes_s=0.2)
    first, *others = (
        asyncio.ensure_future(shared.cache.fetch("k", load, ttl_s=60)) for _ in range(10)
    )
    await asyncio.sleep(0.1)
    first.cancel()
    assert await asyncio.gather(*others) == ["v"] * 9
    assert load.count == 2


async def test_what_is_forgotten_is_loaded_again(shared):
    load = Counted("old")
    for key in ("a", "b", "c"):
        await shared.cache.fetch(key, load, ttl_s=60)
    load.value = "new"
    await shared.cache.forget("a", "b")
    assert [await shared.cache.fetch(key, load, ttl_s=60) for key in "abc"] == ["new", "new", "old"]


async def test_a_load_that_forget_overtook_brings_nothing_back(shared):
    slow = Counted("old", takes_s=0.3)
    overtaken = asyncio.ensure_future(shared.cache.fetch("k", slow, ttl_s=60))
    await asyncio.sleep(0.1)
    await shared.cache.forget("k")
    assert await shared.cache.fetch("k", Counted("new"), ttl_s=60) == "new"
    assert await overtaken == "old"
    assert await shared.cache.fetch("k", Counted("newer"), ttl_s=60) == "new"


async def test_as_much_as_the_capacity_passes_and_the_rest_is_told_when(shared):
    rate = Rate(3, NEVER_REFILLED_S)
    decisions = [await shared.limiter.take("k", rate) for _ in range(4)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    assert decisions[0].retry_after_s == 0
    assert decisions[3].retry_after_s == pytest.approx(NEVER_REFILLED_S / 3, rel=0.01)
    assert decisions[3].reset_s == pytest.approx(NEVER_REFILLED_S, rel=0.01)
    assert (await shared.limiter.take("another", rate)).allowed


async def test_of_two_hundred_at_once_exactly_the_capacity_passes(shared):
    rate = Rate(100, NEVER_REFILLED_S)
    taken = await asyncio.gather(*(shared.limiter.take("k", rate) for _ in range(200)))
    assert sum(decision.allowed for decision in taken) == 100


async def test_all_buckets_are_taken_from_or_none(shared):
    wide, narrow = Rate(10, NEVER_REFILLED_S), Rate(1, NEVER_REFILLED_S)
    wanted = [Wanted("wide", wide), Wanted("narrow", narrow)]
    first = await shared.limiter.take_all(wanted)
    assert [one.allowed for one in first] == [True, True]
    assert [one.remaining for one in first] == [9, 0]
    second = await shared.limiter.take_all(wanted)
    assert [one.allowed for one in second] == [True, False]
    assert [one.remaining for one in second] == [9, 0]
    assert second[1].retry_after_s == pytest.approx(NEVER_REFILLED_S, rel=0.01)
    assert (await shared.limiter.take("wide", wide)).remaining == 8
    assert await shared.limiter.take_all([]) == []


async def test_of_many_that_want_two_buckets_at_once_as_many_pass_as_both_allow(shared):
    wanted = [Wanted("wide", Rate(100, NEVER_REFILLED_S)), Wanted("n", Rate(7, NEVER_REFILLED_S))]
    taken = await asyncio.gather(*(shared.limiter.take_all(wanted) for _ in range(50)))
    assert sum(all(one.allowed for one in decisions) for decisions in taken) == 7
    assert (await shared.limiter.take("wide", Rate(100, NEVER_REFILLED_S))).remaining == 92


async def test_after_the_told_time_it_passes(shared):
    rate = Rate(2, 0.6)
    decision = await shared.limiter.take("k", rate, cost=2)
    assert decision.allowed
    refused = await shared.limiter.take("k", rate)
    assert not refused.allowed
    await asyncio.sleep(refused.retry_after_s + 0.02)
    assert (await shared.limiter.take("k", rate)).allowed


async def test_a_cost_is_taken_whole_or_not_at_all(shared):
    rate = Rate(10, NEVER_REFILLED_S)
    assert not (await shared.limiter.take("k", rate, cost=11)).allowed
    assert (await shared.limiter.take("k", rate, cost=7)).remaining == 3
    assert not (await shared.limiter.take("k", rate, cost=4)).allowed
    assert (await shared.limiter.take("k", rate, cost=3)).allowed


async def test_subscribers_get_every_message_of_their_channel_in_order(shared):
    await shared.bus.publish("c", {"n": -1})
    async with shared.bus.subscribe("c") as one, shared.bus.subscribe("c") as two:
        for number in range(50):
            await shared.bus.publish("c", {"n": number, "text": "ç\n"})
            await shared.bus.publish("other", {"n": -2})
        async with asyncio.timeout(5):
            for messages in (one, two):
                assert [(await anext(messages))["n"] for _ in range(50)] == list(range(50))


async def test_a_wait_for_a_message_can_be_given_up_and_taken_up_again(shared):
    async with shared.bus.subscribe("c") as messages:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(messages)
        await shared.bus.publish("c", {"n": 1})
        assert await anext(messages) == {"n": 1}


async def test_who_reads_too_slowly_loses_the_oldest(shared):
    async with shared.bus.subscribe("c") as messages:
        for number in range(MAX_WAITING + 10):
            await shared.bus.publish("c", {"n": number})
        assert await anext(messages) == {"n": 10}


async def test_a_viewer_sees_what_follows_any_frame_before_and_after_it_came(shared):
    buffer = a_run(shared, frames=60)
    viewers = [asyncio.ensure_future(all_of(buffer.follow(after=n))) for n in range(122)]
    await asyncio.sleep(0.01)
    assert buffer.listeners == 122
    for event_id in range(61, 121):
        buffer.append(event_id, b"%d" % event_id)
        await asyncio.sleep(0)
    buffer.close()
    whole = [b"%d" % event_id for event_id in range(1, 121)]
    for after, seen in enumerate(await asyncio.gather(*viewers)):
        assert seen == whole[after:]
    assert buffer.listeners == 0
    assert buffer.frames() == await all_of(buffer.follow()) == whole


async def test_whoever_has_read_too_far_still_sees_the_reserved_end(shared):
    buffer = a_run(shared, frames=3)
    early = asyncio.ensure_future(all_of(buffer.follow(after=50)))
    await asyncio.sleep(0)
    buffer.append(RESERVED_TERMINAL_ID, b"end")
    buffer.close()
    assert buffer.last_event_id == RESERVED_TERMINAL_ID
    assert await early == await all_of(buffer.follow(after=50)) == [b"end"]
    assert await all_of(buffer.follow(after=2)) == [b"3", b"end"]
    assert await all_of(buffer.follow(after=RESERVED_TERMINAL_ID)) == []


async def test_no_frame_is_left_out_repeated_or_added_after_the_end(shared):
    buffer = a_run(shared, frames=2)
    for wrong in (0, 1, 2, 4, RESERVED_TERMINAL_ID - 1):
        with pytest.raises(ValueError, match="does not follow 2"):
            buffer.append(wrong, b"x")
    buffer.append(RESERVED_TERMINAL_ID, b"end")
    with pytest.raises(ValueError, match="nothing follows"):
        buffer.append(RESERVED_TERMINAL_ID, b"x")
    buffer.close()
    buffer.close()
    with pytest.raises(RuntimeError, match="ended"):
        buffer.append(3, b"x")
    assert buffer.is_closed
    assert not buffer.is_fenced


async def test_a_viewer_who_leaves_is_no_listener(shared):
    buffer = a_run(shared, frames=1)
    async with aclosing(buffer.follow()) as frames:
        assert await anext(frames) == b"1"
        assert buffer.listeners == 1
    assert buffer.listeners == 0


async def test_runs_are_found_by_their_owner_only(shared):
    run_id = RunId(new_id())
    buffer = shared.run_buffers.open(run_id)
    assert shared.run_buffers.find(run_id) is buffer
    unknown = RunId(new_id())
    assert shared.run_buffers.find(unknown) is None
    assert not await shared.run_buffers.has_elsewhere(unknown)
    assert not await shared.run_buffers.is_watched_elsewhere(run_id)


async def test_places_are_held_until_they_are_let_go_or_their_lease_ends(shared):
    async def hold(holder: str, lease_s: float = 60.0) -> bool:
        return await shared.limiter.hold("k", holder, capacity=2, lease_s=lease_s)

    assert [await hold("a"), await hold("b", 0.2), await hold("c")] == [True, True, False]
    assert await hold("a")  # it has its place already
    await shared.limiter.let_go("k", "a")
    await shared.limiter.let_go("k", "nobody")
    assert [await hold("c"), await hold("d")] == [True, False]
    await asyncio.sleep(0.25)
    assert await hold("d")


async def test_a_run_that_is_left_goes_on_where_it_is_opened_again(shared):
    run_id = RunId(new_id())
    left = shared.run_buffers.open(run_id)
    left.append(1, b"1")
    watching = asyncio.ensure_future(all_of(left.follow()))
    await asyncio.sleep(0.01)
    left.append(2, b"2")
    left.leave()
    assert await watching == [b"1", b"2"]
    assert shared.run_buffers.find(run_id) is None
    with pytest.raises(RuntimeError):
        left.append(3, b"3")
    again = shared.run_buffers.open(run_id)
    for event_id in range(1, 5):
        again.append(event_id, b"%d" % event_id)
    again.close()
    shared.run_buffers.give_up_old()
    assert shared.run_buffers.find(run_id) is again
    assert await all_of(again.follow(after=2)) == [b"3", b"4"]


async def test_what_runs_that_are_over_have_streamed_can_be_forgotten(shared):
    over, open_still = RunId(new_id()), RunId(new_id())
    for run_id in (over, open_still):
        shared.run_buffers.open(run_id).append(1, b"1")
    shared.run_buffers.find(over).close()
    await shared.run_buffers.forget([over, open_still, RunId(new_id())])
    await shared.run_buffers.forget([])
    assert shared.run_buffers.find(over) is None
    assert shared.run_buffers.find(open_still) is not None
