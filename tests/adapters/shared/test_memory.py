"""What a process keeps in its memory is bounded, whatever it is asked."""

import psutil
import pytest

from app.adapters.shared import memory_cache, memory_limiter
from app.adapters.shared.memory_cache import MemoryCache
from app.adapters.shared.memory_limiter import MemoryLimiter
from app.adapters.shared.memory_run_buffers import MemoryRunBuffers
from app.core.ids import RunId
from app.ports.limiter import Rate
from app.ports.run_buffers import KEEP_AFTER_END_S
from tests.support.held_clock import HeldClock
from tests.support.loads import Counted

pytestmark = pytest.mark.anyio
A_MINUTE = Rate(60, 60.0)


async def test_a_bucket_fills_steadily_and_never_doubles_at_a_boundary():
    clock = HeldClock()
    limiter = MemoryLimiter(clock)
    passed_at = []
    for tick in range(240):
        if (await limiter.take("k", A_MINUTE)).allowed:
            passed_at.append(tick)
        clock.pass_s(0.5)
    assert len(passed_at) == 60 + 119
    # Within any minute, that is 120 ticks, no more than the burst and the refill.
    assert all(sum(start <= at < start + 2 for at in passed_at) <= 2 for start in range(240))
    clock.pass_s(3600)
    burst = [(await limiter.take("k", A_MINUTE)).allowed for _ in range(70)]
    assert sum(burst) == 60


async def test_a_rate_that_has_become_stricter_locks_nobody_out_for_longer_than_it_says():
    limiter = MemoryLimiter(HeldClock())
    await limiter.take("k", Rate(1, 86_400.0))
    assert (await limiter.take("k", A_MINUTE)).retry_after_s <= 1.0


@pytest.mark.parametrize("bad", [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0)])
def test_a_rate_without_tokens_or_time_is_none(bad):
    with pytest.raises(ValueError, match="at least one token"):
        Rate(*bad)


async def test_when_all_places_are_taken_the_new_are_refused_and_the_known_are_served():
    clock = HeldClock()
    limiter = MemoryLimiter(clock)
    for number in range(memory_limiter.MAX_KEYS):
        assert (await limiter.take(str(number), A_MINUTE)).allowed
    refused = await limiter.take("new", A_MINUTE)
    assert (refused.allowed, refused.retry_after_s > 0) == (False, True)
    assert (await limiter.take("0", A_MINUTE)).allowed
    clock.pass_s(1.5)  # all but the first are full again, so there is room
    assert (await limiter.take("new", A_MINUTE)).allowed
    assert (await limiter.take("0", A_MINUTE)).remaining < 60


async def test_a_million_addresses_take_little_memory():
    clock = HeldClock()
    limiter = MemoryLimiter(clock)
    before = psutil.Process().memory_info().rss
    for number in range(1_000_000):
        await limiter.take(f"ip:{number}", A_MINUTE)
        clock.pass_s(0.00006)
    assert psutil.Process().memory_info().rss - before < 50 * 1024 * 1024


async def test_a_cache_keeps_no_more_than_its_entries_and_bytes():
    cache = MemoryCache(HeldClock())
    for number in range(memory_cache.MAX_ENTRIES + 5):
        await cache.fetch(f"k{number}", Counted(number), ttl_s=60)
    again = Counted("again")
    assert await cache.fetch("k0", again, ttl_s=60) == "again"
    assert await cache.fetch(f"k{memory_cache.MAX_ENTRIES}", again, ttl_s=60) != "again"
    third = "x" * (memory_cache.MAX_BYTES // 3)
    for key in "abcd":
        await cache.fetch(key, Counted(third), ttl_s=60)
    assert await cache.fetch("a", again, ttl_s=60) == "again"
    assert await cache.fetch("d", again, ttl_s=60) == third


async def test_the_age_of_a_value_counts_from_the_moment_it_was_asked_for():
    clock = HeldClock()
    cache = MemoryCache(clock, max_age_s=5.0)

    async def slow():
        clock.pass_s(4.0)
        return "old"

    assert await cache.fetch("k", slow, ttl_s=60) == "old"
    clock.pass_s(0.9)
    assert await cache.fetch("k", Counted("new"), ttl_s=60) == "old"
    clock.pass_s(0.2)
    assert await cache.fetch("k", Counted("new"), ttl_s=60) == "new"


def test_closed_buffers_are_given_up_after_a_minute_and_open_ones_stay():
    clock = HeldClock()
    buffers = MemoryRunBuffers(clock)
    kept, closed, later = (buffers.open(RunId(name)) for name in ("kept", "closed", "later"))
    kept.append(1, b"x")
    closed.close()
    clock.pass_s(KEEP_AFTER_END_S / 2)
    later.close()
    clock.pass_s(KEEP_AFTER_END_S / 2 + 1)
    buffers.give_up_old()
    found = [buffers.find(RunId(name)) for name in ("kept", "closed", "later")]
    assert found == [kept, None, later]
