"""A cache in Redis behind a short one in memory."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.adapters.shared.memory_cache import MemoryCache
from app.adapters.shared.redis_link import PREFIX, RedisDown, RedisLink
from app.adapters.shared.redis_scripts import FILL
from app.core.clock import Clock
from app.ports.bus import Bus

CHANNEL = "cache.forget"
# A process that hears nothing of a `forget` believes what it has for so long and no longer.
NEAR_MAX_AGE_S = 5.0
# A mark keeps loads that began before it from writing; one that takes longer does not write.
MARK_KEPT_S = 30
LOAD_MAY_TAKE_S = 15.0
# No value in Redis lives longer, so that a `forget` which Redis missed need not be kept longer.
FAR_MAX_AGE_S = 600.0
SETTLE_EVERY_S = 1.0
VALUE, MARK, WRONG_TYPE = b"=", b"!", b"?"


class RedisCache:
    """Values as JSON after `=`; after `!`, the mark that `forget` leaves."""

    def __init__(self, link: RedisLink, bus: Bus, clock: Clock) -> None:
        self._link, self._bus, self._clock = link, bus, clock
        self._near = MemoryCache(clock, max_age_s=NEAR_MAX_AGE_S)
        # What Redis could not be told to forget: it is not believed there until it was.
        self._owed: dict[str, float] = {}

    async def fetch(self, key: str, load: Callable[[], Awaitable[Any]], *, ttl_s: float) -> Any:
        # Both layers together keep nothing for longer than `ttl_s`.
        near_s = min(NEAR_MAX_AGE_S, ttl_s / 2)

        async def through() -> Any:
            return await self._through(key, load, far_s=min(ttl_s - near_s, FAR_MAX_AGE_S))

        return await self._near.fetch(key, through, ttl_s=near_s)

    async def forget(self, *keys: str) -> None:
        self._near.drop(*keys)
        # Until Redis has forgotten them, whoever asks here loads them.
        self._owed |= dict.fromkeys(keys, self._clock.monotonic_s())
        await self.settle()
        await self._bus.publish(CHANNEL, {"keys": keys})

    async def settle(self) -> None:
        """Have Redis forget what is owed, if it can be reached."""
        horizon_s = self._clock.monotonic_s() - FAR_MAX_AGE_S
        self._owed = {key: at_s for key, at_s in self._owed.items() if at_s > horizon_s}
        for owed in _in_parts(list(self._owed.items())):
            try:
                await self._link.call(lambda redis, owed=owed: _mark(redis, owed))
            except RedisDown:
                return
            for key, at_s in owed:
                if self._owed.get(key) == at_s:
                    del self._owed[key]

    async def keep_settling(self) -> None:
        """Make up for what an outage left; runs as long as the cache is used."""
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            if self._owed:
                await self.settle()

    async def hear(self) -> None:
        """Forget what other processes forget; runs as long as the cache is used."""
        async with self._bus.subscribe(CHANNEL) as messages:
            async for message in messages:
                self._near.drop(*message["keys"])

    async def _through(self, key: str, load: Callable[[], Awaitable[Any]], *, far_s: float) -> Any:
        began_s = self._clock.monotonic_s()
        seen = await self._read(key)
        if seen is not None and seen.startswith(VALUE):
            try:
                return orjson.loads(seen[1:])
            except orjson.JSONDecodeError:
                pass  # corrupt: it is replaced by what is loaded
        value = await load()
        took_s = self._clock.monotonic_s() - began_s
        if seen is not None and took_s < LOAD_MAY_TAKE_S and far_s > took_s:
            await self._fill(key, seen, value, far_s - took_s)
        return value

    async def _read(self, key: str) -> bytes | None:
        """What Redis has; empty for nothing, None when it may not be asked."""
        if key in self._owed:
            return None
        try:
            return await self._link.call(lambda redis: _get(redis, _name(key)))
        except RedisDown:
            return None

    async def _fill(self, key: str, seen: bytes, value: Any, ttl_s: float) -> None:
        body = VALUE + orjson.dumps(value)
        ttl_ms = max(1, int(ttl_s * 1000))
        with suppress(RedisDown):  # the next who asks loads it again
            await self._link.call(lambda redis: FILL.run(redis, _name(key), seen, body, ttl_ms))


def _name(key: str) -> str:
    return f"{PREFIX}cache:{key}"


async def _get(redis: Redis, name: str) -> bytes:
    try:
        found: Any = await redis.get(name)
        return found or b""
    except ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            return WRONG_TYPE
        raise


def _in_parts(owed: list[tuple[str, float]]) -> list[list[tuple[str, float]]]:
    """Parts that one pipeline writes well within the time of a command."""
    return [owed[start : start + 500] for start in range(0, len(owed), 500)]


async def _mark(redis: Redis, owed: list[tuple[str, float]]) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        for key, _ in owed:
            pipeline.set(_name(key), MARK + secrets.token_bytes(8), ex=MARK_KEPT_S)
        await pipeline.execute()
