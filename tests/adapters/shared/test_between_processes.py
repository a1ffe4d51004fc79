"""Cache, limiter and bus over one Redis, as several processes use them."""

import asyncio
import random
import time

import pytest

from app.ports.limiter import Rate
from tests.support.loads import Counted

pytestmark = pytest.mark.anyio
NEVER_REFILLED_S = 36_000.0
KEY = "adc:v1:cache:k"


async def test_what_one_process_loaded_the_others_need_not_load(processes):
    load = Counted({"a": [1, None, "ç"]})
    for process in processes:
        assert await process.cache.fetch("k", load, ttl_s=60) == {"a": [1, None, "ç"]}
    assert load.count == 1


async def test_what_one_process_forgets_the_others_forget_within_a_moment(processes):
    one, other, third = processes
    for process in processes:
        await process.cache.fetch("k", Counted("old"), ttl_s=60)
    await one.cache.forget("k")
    assert await one.cache.fetch("k", Counted("new"), ttl_s=60) == "new"
    for process in (other, third):
        async with asyncio.timeout(4):
            while await process.cache.fetch("k", Counted("new"), ttl_s=60) != "new":
                await asyncio.sleep(0.01)


async def test_though_the_message_is_lost_what_is_forgotten_is_gone_within_five_seconds(
    processes, server
):
    one, other, _ = processes
    await one.cache.fetch("k", Counted("old"), ttl_s=60)
    assert await other.cache.fetch("k", Counted("-"), ttl_s=60) == "old"
    await server.do("CLIENT", "KILL", "TYPE", "pubsub")
    await one.cache.forget("k")
    forgotten_s = time.monotonic()
    assert await other.cache.fetch("k", Counted("new"), ttl_s=60) == "old"
    await asyncio.sleep(5.0 - (time.monotonic() - forgotten_s))
    assert await other.cache.fetch("k", Counted("new"), ttl_s=60) == "new"


async def test_a_slow_load_elsewhere_does_not_bring_back_what_was_forgotten(processes, server):
    one, other, third = processes
    slow = asyncio.ensure_future(other.cache.fetch("k", Counted("old", takes_s=0.5), ttl_s=60))
    await asyncio.sleep(0.2)
    await one.cache.forget("k")
    assert await slow == "old"
    assert await third.cache.fetch("k", Counted("new"), ttl_s=60) == "new"
    assert await server.do("GET", KEY) == b'="new"'
    async with asyncio.timeout(5.5):
        while await other.cache.fetch("k", Counted("new"), ttl_s=60) != "new":
            await asyncio.sleep(0.05)


async def test_a_slower_load_does_not_overwrite_the_one_that_began_after_forget(processes, server):
    one, other, third = processes
    slow = asyncio.ensure_future(other.cache.fetch("k", Counted("old", takes_s=0.5), ttl_s=60))
    await asyncio.sleep(0.1)
    await one.cache.forget("k")
    assert await third.cache.fetch("k", Counted("new"), ttl_s=60) == "new"
    await slow
    assert await server.do("GET", KEY) == b'="new"'


async def test_both_layers_together_keep_nothing_beyond_its_time(processes):
    one, other, _ = processes
    began_s = time.monotonic()
    await one.cache.fetch("k", Counted("old"), ttl_s=2)
    await asyncio.sleep(0.9)
    # From Redis in the last moment of its time there, if this machine is not too slow for it.
    await other.cache.fetch("k", Counted("old"), ttl_s=2)
    await asyncio.sleep(2.05 - (time.monotonic() - began_s))
    assert await one.cache.fetch("k", Counted("new"), ttl_s=2) == "new"


@pytest.mark.parametrize("corrupt", [b"", b"=", b"={", b"garbage", b"\x80\x04pickle", b"=\xff"])
async def test_a_value_that_cannot_be_read_is_ignored_and_replaced(processes, server, corrupt):
    await server.do("SET", KEY, corrupt)
    assert await processes[0].cache.fetch("k", Counted("good"), ttl_s=60) == "good"
    assert await server.do("GET", KEY) == b'="good"'
    assert await processes[1].cache.fetch("k", Counted("-"), ttl_s=60) == "good"


async def test_a_key_that_holds_no_text_is_ignored_and_replaced(processes, server):
    await server.do("RPUSH", KEY, "a", "b")
    assert await processes[0].cache.fetch("k", Counted("good"), ttl_s=60) == "good"
    assert await server.do("GET", KEY) == b'="good"'
    assert await processes[0].is_shared_now()


async def test_over_two_processes_exactly_the_capacity_passes(processes):
    rate = Rate(100, NEVER_REFILLED_S)
    taken = await asyncio.gather(
        *(processes[number % 2].limiter.take("k", rate) for number in range(200))
    )
    assert sum(decision.allowed for decision in taken) == 100
    assert not (await processes[2].limiter.take("k", rate)).allowed


async def test_a_clock_that_was_set_back_locks_nobody_out(processes, server):
    an_hour_ahead_us = int((time.time() + 3600) * 1e6)
    await server.do("SET", "adc:v1:limit:k", an_hour_ahead_us)
    refused = await processes[0].limiter.take("k", Rate(10, 1.0))
    assert not refused.allowed
    assert refused.retry_after_s <= 0.1001
    await server.do("SET", "adc:v1:limit:k", "no number")
    assert (await processes[0].limiter.take("k", Rate(10, 1.0))).remaining == 9


async def test_a_bucket_that_is_full_again_takes_no_place(processes, server):
    await processes[0].limiter.take("k", Rate(10, 1.0))
    assert 0 < await server.do("PTTL", "adc:v1:limit:k") <= 101


async def test_messages_reach_the_subscribers_of_every_process_in_order(processes):
    one, other, third = processes
    async with one.bus.subscribe("c") as a, other.bus.subscribe("c") as b:
        for number in range(100):
            await third.bus.publish("c", {"n": number, "text": "ação\n\x00"})
        async with asyncio.timeout(10):
            for messages in (a, b):
                heard = [await anext(messages) for _ in range(100)]
                assert [message["n"] for message in heard] == list(range(100))
                assert heard[0]["text"] == "ação\n\x00"


async def test_a_process_hears_its_own_message_once(processes):
    one, other, _ = processes
    async with one.bus.subscribe("c") as messages:
        await one.bus.publish("c", {"n": 1})
        await other.bus.publish("c", {"n": 2})
        async with asyncio.timeout(5):
            assert [(await anext(messages))["n"] for _ in range(2)] == [1, 2]


async def test_a_subscription_survives_the_loss_of_its_connection(processes, server):
    one, other, _ = processes
    async with one.bus.subscribe("c") as messages:
        await server.do("CLIENT", "KILL", "TYPE", "pubsub")
        heard = asyncio.ensure_future(anext(messages))
        async with asyncio.timeout(10):
            while not heard.done():
                await other.bus.publish("c", {"n": 1})
                await asyncio.sleep(0.05)
        assert await heard == {"n": 1}


async def test_what_is_no_message_of_this_service_is_passed_over(processes, server):
    one, other, _ = processes
    async with one.bus.subscribe("c") as messages:
        await server.do("PUBLISH", "adc:v1:bus", "rubbish")
        await other.bus.publish("c", {"n": 1})
        assert await asyncio.wait_for(anext(messages), 5) == {"n": 1}


async def test_commands_that_are_given_up_never_mix_up_the_answers_of_others(processes):
    one, other, _ = processes
    for number in range(20):
        await one.cache.fetch(f"k{number}", Counted(number), ttl_s=600)
    chance = random.Random(7)
    absent = Counted("this would have been in Redis")
    for turn in range(40):
        async with asyncio.TaskGroup() as group:
            asked = {
                number: group.create_task(other.cache.fetch(f"k{number}", absent, ttl_s=600))
                for number in range(20)
            }
            for _ in range(turn % 8):
                await asyncio.sleep(0)
            for number in chance.sample(range(20), 10):
                asked[number].cancel()
        for number, task in asked.items():
            assert task.cancelled() or task.result() == number
        await one.bus.publish("cache.forget", {"keys": [f"k{number}" for number in range(20)]})
        await asyncio.sleep(0.005)
    assert absent.count == 0
    assert await other.is_shared_now()
