"""Run buffers of this process: all there is when it is alone, the owner's side when it is not."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from functools import partial

from app.adapters.shared.frames import FrameList
from app.core.clock import Clock
from app.core.ids import RunId
from app.ports.run_buffers import KEEP_AFTER_END_S


class MemoryRunBuffer(FrameList):
    """The frames of a run of this process."""

    def __init__(self, *, grown: Callable[[], None] | None, over: Callable[[], None]) -> None:
        super().__init__()
        self._grown, self._over = grown, over
        self.is_fenced = False

    def append(self, event_id: int, frame: bytes) -> None:
        super().append(event_id, frame)
        if self._grown is not None:
            self._grown()

    def close(self) -> None:
        if not self.is_closed:
            super().close()
            self._over()

    def leave(self) -> None:
        super().leave()
        self._over()


class MemoryRunBuffers:
    """Buffers by run; there is no elsewhere."""

    def __init__(
        self, clock: Clock, *, changed: Callable[[RunId, MemoryRunBuffer], None] | None = None
    ) -> None:
        self._clock = clock
        self._tell = changed
        self._buffers: dict[RunId, MemoryRunBuffer] = {}
        self._closed: deque[tuple[float, RunId]] = deque()

    def open(self, run_id: RunId) -> MemoryRunBuffer:
        # Who is alone need not look at every frame.
        grown = None if self._tell is None else partial(self._changed, run_id)
        buffer = MemoryRunBuffer(grown=grown, over=partial(self._changed, run_id))
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

    async def forget(self, run_ids: Collection[RunId]) -> None:
        for run_id in run_ids:
            if (buffer := self._buffers.get(run_id)) is not None and buffer.is_closed:
                del self._buffers[run_id]

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
        if buffer.is_left:
            # It may be opened here again at any moment.
            del self._buffers[run_id]
        elif buffer.is_closed:
            self._closed.append((self._clock.monotonic_s(), run_id))
        if self._tell is not None:
            self._tell(run_id, buffer)
