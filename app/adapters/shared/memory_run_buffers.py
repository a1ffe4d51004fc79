"""Run buffers of this process: all there is when it is alone, the owner's side when it is not."""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import cast

from app.adapters.shared.frames import FrameList
from app.core.clock import Clock
from app.core.ids import RunId
from app.ports.run_buffers import KEEP_AFTER_END_S


class MemoryRunBuffer:
    """The frames of a run of this process."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._list = FrameList()
        self._changed = changed
        self.is_fenced = False

    @property
    def last_event_id(self) -> int:
        return self._list.last_event_id

    @property
    def is_closed(self) -> bool:
        return self._list.is_closed

    @property
    def listeners(self) -> int:
        return self._list.listeners

    def append(self, event_id: int, frame: bytes) -> None:
        self._list.append(event_id, frame)
        self._changed()

    def close(self) -> None:
        if not self._list.is_closed:
            self._list.close()
            self._changed()

    def frames(self) -> list[bytes]:
        return self._list.frames()

    def since(self, after: int, *, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` frames with an id above `after`, with their ids."""
        return self._list.since(after, limit=limit)

    def follow(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        # None comes only where a silence is asked for.
        return cast("AsyncGenerator[bytes]", self._list.follow(after=after))


def _nobody(run_id: RunId, buffer: MemoryRunBuffer) -> None:
    """Nobody else wants to know of changes."""


class MemoryRunBuffers:
    """Buffers by run; there is no elsewhere."""

    def __init__(
        self, clock: Clock, *, changed: Callable[[RunId, MemoryRunBuffer], None] = _nobody
    ) -> None:
        self._clock = clock
        self._tell = changed
        self._buffers: dict[RunId, MemoryRunBuffer] = {}
        self._closed: deque[tuple[float, RunId]] = deque()

    def open(self, run_id: RunId) -> MemoryRunBuffer:
        buffer = MemoryRunBuffer(partial(self._changed, run_id))
        self._buffers[run_id] = buffer
        return buffer

    def find(self, run_id: RunId) -> MemoryRunBuffer | None:
        return self._buffers.get(run_id)

    async def follow_elsewhere(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        for frame in ():
            yield frame

    async def has_elsewhere(self, run_id: RunId) -> bool:
        return False

    async def is_watched_elsewhere(self, run_id: RunId) -> bool:
        return False

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        """Without another process nobody would see it; a run of this one ends itself."""

    def give_up_old(self) -> None:
        self.drop_old()

    def drop_old(self) -> list[RunId]:
        """Give up old buffers and tell which."""
        dropped: list[RunId] = []
        horizon_s = self._clock.monotonic_s() - KEEP_AFTER_END_S
        while self._closed and self._closed[0][0] < horizon_s:
            _, run_id = self._closed.popleft()
            if self._buffers.pop(run_id, None) is not None:
                dropped.append(run_id)
        return dropped

    def _changed(self, run_id: RunId) -> None:
        buffer = self._buffers.get(run_id)
        if buffer is None:
            return
        if buffer.is_closed:
            self._closed.append((self._clock.monotonic_s(), run_id))
        self._tell(run_id, buffer)
