"""Token buckets in Redis; in an outage, in the memory of each process."""

from app.adapters.shared.memory_limiter import MemoryLimiter, decide
from app.adapters.shared.redis_link import PREFIX, RedisDown, RedisLink
from app.adapters.shared.redis_scripts import TAKE
from app.core.clock import Clock
from app.ports.limiter import Decision, Rate


class RedisLimiter:
    """One bucket for all processes."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link = link
        self._alone = MemoryLimiter(clock)

    async def take(self, key: str, rate: Rate, *, cost: int = 1) -> Decision:
        token_us = max(1, int(rate.per_s * 1_000_000 / rate.capacity))
        try:
            allowed, owed_us = await self._link.call(
                lambda redis: TAKE.run(redis, f"{PREFIX}limit:{key}", token_us, rate.capacity, cost)
            )
        except RedisDown:
            return await self._alone.take(key, rate, cost=cost)
        return decide(allowed=bool(allowed), owed_s=owed_us / 1_000_000, rate=rate, cost=cost)
