"""Messages between processes over one Redis channel, which every process hears."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import orjson
import structlog
from redis.asyncio.client import PubSub

from app.adapters.shared.memory_bus import Mailbox, MemoryBus
from app.adapters.shared.redis_link import COMMAND_TIMEOUT_S, FAILURES, PREFIX, RedisDown, RedisLink

# One channel for all: a subscription is then a matter of memory, and never waits for Redis.
CHANNEL = f"{PREFIX}bus"
PING_AFTER_S = 2.0
PAUSE_S = 0.2
log = structlog.get_logger(__name__)


class RedisBus:
    """A message is its origin, its channel and its JSON, a line each.

    This process delivers its own messages itself, so that they also arrive in an outage.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._local = MemoryBus()
        self._origin = secrets.token_hex(8).encode()
        self._hears = asyncio.Event()

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        body = orjson.dumps(message)
        self._local.deliver(channel, body)
        line = b"\n".join((self._origin, channel.encode(), body))
        with suppress(RedisDown):
            await self._link.call(lambda redis: redis.publish(CHANNEL, line))

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncGenerator[Mailbox]:
        async with self._local.subscribe(channel) as mailbox:
            await self._heard()
            yield mailbox

    async def _heard(self) -> None:
        """Wait a moment for the connection to Redis, unless there is an outage."""
        if self._link.is_up and not self._hears.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMAND_TIMEOUT_S):
                    await self._hears.wait()

    async def hear(self) -> None:
        """Pass on what other processes say, over as many connections as it takes."""
        while True:
            await self._link.up.wait()
            try:
                await self._listen()
            except FAILURES as error:
                log.debug("redis_bus_lost", reason=type(error).__name__)
            finally:
                self._hears.clear()
            await asyncio.sleep(PAUSE_S)

    async def _listen(self) -> None:
        async with aclosing(self._link.redis.pubsub()) as pubsub:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await pubsub.subscribe(CHANNEL)
            while True:
                message = await self._next(pubsub)
                if message["type"] == "subscribe":
                    self._hears.set()
                elif message["type"] == "message":
                    self._take(message["data"])

    async def _next(self, pubsub: PubSub) -> dict[str, Any]:
        """The next message. A connection that does not answer a ping is lost.

        Raises:
            TimeoutError: nothing can be heard.
        """
        message = await pubsub.get_message(timeout=PING_AFTER_S)
        if message is None:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await pubsub.ping()
            message = await pubsub.get_message(timeout=PING_AFTER_S)
        if message is None:
            raise TimeoutError
        return message

    def _take(self, line: bytes) -> None:
        match line.split(b"\n", 2):
            case [origin, channel, body] if origin != self._origin:
                self._local.deliver(channel.decode(), body)
            case _:
                pass  # our own, which has been delivered, or no message of this service
