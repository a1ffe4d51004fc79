"""The frames of one run in a list that viewers read at their own pace."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from app.ports.run_buffers import RESERVED_TERMINAL_ID, Tap

# A viewer that has a long history to read gives way to others after so many frames.
FRAMES_A_TURN = 50


class _Waiting:
    """A viewer that has read all there is, and what its tap has taken meanwhile."""

    def __init__(self, woken: "asyncio.Future[None]", after: int, tap: Tap | None) -> None:
        self.woken = woken
        self.taken = 0
        self._after, self._tap = after, tap

    def takes(self, event_id: int, frame: bytes) -> bool:
        """Whether it has seen the frame and goes on waiting."""
        if self._tap is None or not (event_id <= self._after or self._tap(frame)):
            return False
        self.taken += 1
        return True

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class FrameList:
    """Frames in the order of their ids, without a gap; only the last may have the reserved id."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._waiting: list[_Waiting] = []
        self.last_event_id = 0
        self.is_closed = False
        # Whether this process appends no more to a run that has not ended.
        self.is_left = False
        self.listeners = 0

    def append(self, event_id: int, frame: bytes) -> None:
        if self.is_closed or self.is_left:
            raise RuntimeError("the run has ended or was left")
        if event_id != self.last_event_id + 1 and event_id != RESERVED_TERMINAL_ID:
            raise ValueError(f"{event_id} does not follow {self.last_event_id}")
        if self.last_event_id == RESERVED_TERMINAL_ID:
            raise ValueError("nothing follows the reserved id")
        self._frames.append(frame)
        self.last_event_id = event_id
        for viewer in self._waiting.copy():
            if not viewer.takes(event_id, frame):
                self._wake(viewer)

    def close(self) -> None:
        self.is_closed = True
        for viewer in self._waiting.copy():
            self._wake(viewer)

    def leave(self) -> None:
        """Let viewers go, although more may come elsewhere."""
        self.is_left = True
        for viewer in self._waiting.copy():
            self._wake(viewer)

    def frames(self) -> list[bytes]:
        return self._frames.copy()

    def since(self, after: int, *, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` frames with an id above `after`, with their ids."""
        start = self._place(after)
        found = enumerate(self._frames[start : start + limit], start)
        named = [(self._id_at(place), frame) for place, frame in found]
        return [(event_id, frame) for event_id, frame in named if event_id > after]

    def follow(self, *, after: int = 0, tap: Tap | None = None) -> AsyncGenerator[bytes]:
        """Frames as they come, until the list is closed or left."""
        # None comes only where a silence is asked for.
        return cast("AsyncGenerator[bytes]", self.heard(after=after, tap=tap))

    async def heard(
        self, *, after: int, silence_s: float | None = None, tap: Tap | None = None
    ) -> AsyncGenerator[bytes | None]:
        """The same, and None after `silence_s` without a frame."""
        self.listeners += 1
        loop = asyncio.get_running_loop()
        try:
            place = self._place(after)
            while True:
                while place < len(self._frames):
                    if self._id_at(place) > after:
                        yield self._frames[place]
                    place += 1
                    if place % FRAMES_A_TURN == 0:
                        await asyncio.sleep(0)
                if self.is_closed or self.is_left:
                    return
                viewer = _Waiting(loop.create_future(), after, tap)
                if not await self._woken(viewer, silence_s):
                    yield None
                place += viewer.taken
        finally:
            self.listeners -= 1

    def _id_at(self, place: int) -> int:
        return self.last_event_id if place == len(self._frames) - 1 else place + 1

    def _place(self, after: int) -> int:
        """Where to begin to look for ids above `after`, which may be an id that never was."""
        return max(0, min(after, len(self._frames) - 1))

    def _wake(self, viewer: _Waiting) -> None:
        self._waiting.remove(viewer)
        viewer.wake()

    async def _woken(self, viewer: _Waiting, timeout_s: float | None) -> bool:
        self._waiting.append(viewer)
        try:
            if timeout_s is None:
                await viewer.woken
            else:
                async with asyncio.timeout(timeout_s):
                    await viewer.woken
        except TimeoutError:
            return False
        finally:
            if viewer in self._waiting:
                self._waiting.remove(viewer)
        return True
