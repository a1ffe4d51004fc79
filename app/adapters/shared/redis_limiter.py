"""Token buckets in Redis; in an outage, in the memory of each process."""

from collections.abc import Sequence
from contextlib import suppress

from app.adapters.shared.memory_limiter import MemoryLimiter, decide
from app.adapters.shared.redis_link import PREFIX, RedisDown, RedisLink
from app.adapters.shared.redis_scripts import HOLD, TAKE
from app.core.clock import Clock
from app.ports.limiter import Decision, Rate, Wanted


class RedisLimiter:
    """One bucket for all processes."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link = link
        self._alone = MemoryLimiter(clock)

    async def take(self, key: str, rate: Rate, *, cost: int = 1) -> Decision:
        (decision,) = await self.take_all([Wanted(key, rate, cost)])
        return decision

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Decision]:
        if not wanted:
            return []
        keys = [f"{PREFIX}limit:{one.key}" for one in wanted]
        asked = [
            part for one in wanted for part in (_token_us(one.rate), one.rate.capacity, one.cost)
        ]
        try:
            told = await self._link.call(lambda redis: TAKE.run_on(redis, keys, *asked))
        except RedisDown:
            return await self._alone.take_all(wanted)
        return [
            decide(one, allowed=bool(allowed), owed_s=owed_us / 1_000_000)
            for one, allowed, owed_us in zip(wanted, told[::2], told[1::2], strict=True)
        ]

    async def hold(self, key: str, holder: str, *, capacity: int, lease_s: float) -> bool:
        lease_ms = max(1, int(lease_s * 1000))
        try:
            held = await self._link.call(
                lambda redis: HOLD.run(redis, f"{PREFIX}held:{key}", holder, capacity, lease_ms)
            )
        except RedisDown:
            return await self._alone.hold(key, holder, capacity=capacity, lease_s=lease_s)
        return bool(held)

    async def let_go(self, key: str, holder: str) -> None:
        await self._alone.let_go(key, holder)
        # In an outage the lease runs out by itself.
        with suppress(RedisDown):
            await self._link.call(lambda redis: redis.zrem(f"{PREFIX}held:{key}", holder))


def _token_us(rate: Rate) -> int:
    return max(1, int(rate.per_s * 1_000_000 / rate.capacity))
