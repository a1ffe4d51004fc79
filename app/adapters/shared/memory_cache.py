"""A cache in the memory of one process, asked once for many who wait."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.core.clock import Clock

MAX_ENTRIES = 10_000
MAX_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class _Flight:
    """A load that is under way: the first who asked makes it, the others wait."""

    landed: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes | None = None
    failure: Exception | None = None


class MemoryCache:
    """JSON text by key, bounded in number and bytes.

    Ages are counted from the moment at which a load began, because that is how old its answer may
    be. A load that was overtaken by `forget` serves those who already wait and is not kept.
    """

    def __init__(self, clock: Clock, *, max_age_s: float = math.inf) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._entries: dict[str, tuple[float, bytes]] = {}
        self._bytes = 0
        self._flights: dict[str, _Flight] = {}

    async def fetch(self, key: str, load: Callable[[], Awaitable[Any]], *, ttl_s: float) -> Any:
        while True:
            body = self._find(key)
            if body is None and (flight := self._flights.get(key)) is not None:
                await flight.landed.wait()
                if flight.failure is not None:
                    raise flight.failure
                body = flight.body
                if body is None:
                    continue  # who loaded has been cancelled; one of those who wait takes over
            if body is None:
                body = await self._load(key, load, ttl_s)
            return orjson.loads(body)

    async def forget(self, *keys: str) -> None:
        self.drop(*keys)

    def drop(self, *keys: str) -> None:
        """`forget`, at once."""
        for key in keys:
            self._remove(key)
            self._flights.pop(key, None)

    def _find(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock.monotonic_s():
            return None
        return entry[1]

    async def _load(self, key: str, load: Callable[[], Awaitable[Any]], ttl_s: float) -> bytes:
        until_s = self._clock.monotonic_s() + min(ttl_s, self._max_age_s)
        flight = self._flights[key] = _Flight()
        try:
            flight.body = orjson.dumps(await load())
            if self._flights.get(key) is flight:
                self._keep(key, until_s, flight.body)
        except Exception as failure:
            flight.failure = failure
            raise
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            flight.landed.set()
        return flight.body

    def _keep(self, key: str, until_s: float, body: bytes) -> None:
        self._remove(key)
        if until_s <= self._clock.monotonic_s() or len(body) > MAX_BYTES:
            return
        self._entries[key] = (until_s, body)
        self._bytes += len(body)
        while len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[1])
