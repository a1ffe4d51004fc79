"""Shared state of a single process: the buffers of its runs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from app.core.clock import Clock
from app.core.ids import RunId

KEEP_AFTER_END_S = 2.0
# A viewer that has a long history to read gives way to others after so many frames.
FRAMES_A_TURN = 50


class MemoryRunBuffer:
    """The frames of one run in a list that viewers read at their own pace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: list[bytes] = []
        self._news = asyncio.Event()
        self.last_event_id = 0
        self.listeners = 0
        self.closed_at_s: float | None = None

    @property
    def is_closed(self) -> bool:
        return self.closed_at_s is not None

    def append(self, event_id: int, frame: bytes) -> None:
        if self.is_closed:
            raise RuntimeError("the run has ended")
        self._frames.append(frame)
        self.last_event_id = event_id
        self._wake()

    def close(self) -> None:
        self.closed_at_s = self._clock.monotonic_s()
        self._wake()

    def frames(self) -> list[bytes]:
        return list(self._frames)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        self.listeners += 1
        try:
            seen = min(after, len(self._frames))
            while True:
                news = self._news
                while seen < len(self._frames):
                    yield self._frames[seen]
                    seen += 1
                    if seen % FRAMES_A_TURN == 0:
                        await asyncio.sleep(0)
                if self.is_closed and seen >= len(self._frames):
                    return
                await news.wait()
        finally:
            self.listeners -= 1


class MemoryRunBuffers:
    """Buffers by run; those that ended a while ago are given up as new ones come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buffers: dict[RunId, MemoryRunBuffer] = {}

    def open(self, run_id: RunId) -> MemoryRunBuffer:
        buffer = MemoryRunBuffer(self._clock)
        self._buffers[run_id] = buffer
        return buffer

    def find(self, run_id: RunId) -> MemoryRunBuffer | None:
        return self._buffers.get(run_id)

    async def follow_elsewhere(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        for nothing in ():
            yield nothing

    async def is_watched_elsewhere(self, run_id: RunId) -> bool:
        return False

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        return None

    def give_up_old(self) -> None:
        horizon_s = self._clock.monotonic_s() - KEEP_AFTER_END_S
        for run_id, buffer in list(self._buffers.items()):
            if buffer.closed_at_s is not None and buffer.closed_at_s < horizon_s:
                del self._buffers[run_id]


class MemoryCache:
    """Temporary."""

    async def fetch(self, key: str, load: Any, *, ttl_s: float) -> Any:
        return await load()

    async def forget(self, *keys: str) -> None:
        return None


class MemoryBus:
    """Temporary."""

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        return None

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncGenerator[Any]:
        async def never() -> AsyncGenerator[Any]:
            await asyncio.Event().wait()
            yield {}

        yield never()
