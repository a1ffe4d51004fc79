"""The way to Redis: few connections, short patience, and a breaker that all commands share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core.clock import Clock

PREFIX = "adc:v1:"
"""Before every key; its number changes with the form of what is kept."""

COMMAND_TIMEOUT_S = 0.25
# So many commands at once; others wait for their turn, and fail together with these in an outage.
MAX_COMMANDS = 16
PROBE_EVERY_S = 1.0
# A Redis that fails every other second is told of once, not every other second.
SETTLED_AFTER_S = 5.0
# Past its time by so much, a timeout tells of this process's own load and not of Redis.
LATE_FACTOR = 1.5
log = structlog.get_logger(__name__)
T = TypeVar("T")
TIMEOUTS = (TimeoutError, RedisTimeoutError)
# RuntimeError is what uvloop says to a write over a connection that was reset a moment ago.
FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)


class RedisDown(Exception):
    """Redis did not do it; whether it will have happened is not known."""


def _reason(error: BaseException) -> str:
    """What went wrong, in a word and without an address."""
    if isinstance(error, ResponseError) and (words := str(error).split()):
        return words[0]
    return type(error).__name__


class RedisLink:
    """Commands that take 250 ms at most, and nothing at all while Redis is known to be down.

    It is down from the first failure (a refused or silent connection, OOM, READONLY, LOADING,
    NOAUTH …) until a probe, sent once a second in the background, can write again.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            # Those of commands, the bus and the probe.
            max_connections=MAX_COMMANDS + 2,
            # The whole command has a timeout; another for each of its parts would only cost.
            socket_timeout=None,
            socket_connect_timeout=COMMAND_TIMEOUT_S,
            # One round trip less when connecting: neither RESP3 nor the library's name is needed.
            protocol=2,
            driver_info=None,
        )
        self.redis = Redis(connection_pool=self._pool)
        self._clock = clock
        self._slots = asyncio.Semaphore(MAX_COMMANDS)
        self.up = asyncio.Event()
        self._down = asyncio.Event()
        self._answered_s = clock.monotonic_s()
        self._told_down = False

    @property
    def is_up(self) -> bool:
        return self.up.is_set()

    async def call(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """What `work` gives, which sends one command or one pipeline.

        Raises:
            RedisDown: it failed, or it was not tried as Redis is down.
        """
        self._refuse_when_down()
        async with self._slots:
            self._refuse_when_down()
            return await self._attempt(work)

    def _refuse_when_down(self) -> None:
        if not self.up.is_set():
            raise RedisDown

    async def _attempt(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        started_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                result = await work(self.redis)
        except FAILURES as error:
            self._failed(error, started_s)
            raise RedisDown from error
        self._answered_s = self._clock.monotonic_s()
        return result

    def _failed(self, error: Exception, started_s: float) -> None:
        now_s = self._clock.monotonic_s()
        late = now_s - started_s > COMMAND_TIMEOUT_S * LATE_FACTOR
        if isinstance(error, TIMEOUTS) and late and now_s - self._answered_s < 2.0:
            return
        self.up.clear()
        self._down.set()
        if not self._told_down:
            self._told_down = True
            log.warning("redis_down", reason=_reason(error))

    async def probe(self) -> None:
        """Find out whether Redis takes writes, with connections that are made anew."""
        started_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                # After a failover the old ones lead to a server that only reads.
                await self._pool.disconnect(inuse_connections=False)
                await self.redis.set(f"{PREFIX}probe", 1, px=1000)
        except FAILURES as error:
            self._failed(error, started_s)
            return
        self._answered_s = self._clock.monotonic_s()
        self._down.clear()
        self.up.set()

    async def watch(self) -> None:
        """Bring the link back up whenever it is down; runs as long as the link is used."""
        while True:
            if self._told_down and self.is_up:
                await self._tell_when_settled()
            else:
                await self._down.wait()
            if not self.is_up:
                await asyncio.sleep(PROBE_EVERY_S)
                await self.probe()

    async def _tell_when_settled(self) -> None:
        try:
            async with asyncio.timeout(SETTLED_AFTER_S):
                await self._down.wait()
        except TimeoutError:
            self._told_down = False
            log.info("redis_back")

    async def answers(self) -> bool:
        """Whether Redis can be used now, asked of itself."""
        try:
            await self.call(lambda redis: redis.ping())
        except RedisDown:
            return False
        return True

    async def aclose(self) -> None:
        """Close every connection; nothing is waited for."""
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self.redis.aclose()
                await self._pool.disconnect()
        except FAILURES as error:
            log.debug("redis_close_failed", reason=_reason(error))
