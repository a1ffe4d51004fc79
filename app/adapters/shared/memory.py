"""Shared state of a single process: the buffers of its runs."""

import asyncio
from collections.abc import AsyncGenerator

from app.core.clock import Clock
from app.core.ids import RunId
from app.core.sse import frame

# A run's frames stay for late viewers; a run writes some hundred kilobytes at most.
KEEP_AFTER_END_S = 900.0
# A viewer that has a long history to read gives way to others after so many frames.
FRAMES_A_TURN = 50


class MemoryRunBuffer:
    """The frames of one run in a list that viewers read at their own pace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: list[bytes] = []
        self._news = asyncio.Event()
        self.closed_at_s: float | None = None

    @property
    def last_event_id(self) -> int:
        return len(self._frames)

    def append(self, event: str, data: object) -> None:
        if self.closed_at_s is not None:
            raise RuntimeError("the run has ended")
        self._frames.append(frame(event_id=len(self._frames) + 1, event=event, data=data))
        self._wake()

    def close(self) -> None:
        self.closed_at_s = self._clock.monotonic_s()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        seen = after
        while True:
            news = self._news
            while seen < len(self._frames):
                yield self._frames[seen]
                seen += 1
                if seen % FRAMES_A_TURN == 0:
                    await asyncio.sleep(0)
            if self.closed_at_s is not None and seen >= len(self._frames):
                return
            await news.wait()


class MemoryRunBuffers:
    """Buffers by run; those that ended a while ago are given up as new ones come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buffers: dict[RunId, MemoryRunBuffer] = {}

    def open(self, run_id: RunId) -> MemoryRunBuffer:
        self._give_up_old()
        buffer = MemoryRunBuffer(self._clock)
        self._buffers[run_id] = buffer
        return buffer

    def find(self, run_id: RunId) -> MemoryRunBuffer | None:
        return self._buffers.get(run_id)

    def _give_up_old(self) -> None:
        # Runs end roughly in the order in which they began, so the old ones stand first.
        horizon_s = self._clock.monotonic_s() - KEEP_AFTER_END_S
        for run_id, buffer in list(self._buffers.items())[:8]:
            if buffer.closed_at_s is not None and buffer.closed_at_s < horizon_s:
                del self._buffers[run_id]
