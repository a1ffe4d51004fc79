"""The frames of one run in a list that viewers read at their own pace."""

import asyncio
from collections.abc import AsyncGenerator

from app.ports.run_buffers import RESERVED_TERMINAL_ID

# A viewer that has a long history to read gives way to others after so many frames.
FRAMES_A_TURN = 50


class FrameList:
    """Frames in the order of their ids, without a gap; only the last may have the reserved id."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._news: asyncio.Event | None = None
        self.last_event_id = 0
        self.is_closed = False
        self.listeners = 0

    def append(self, event_id: int, frame: bytes) -> None:
        if self.is_closed:
            raise RuntimeError("the run has ended")
        if event_id != self.last_event_id + 1 and event_id != RESERVED_TERMINAL_ID:
            raise ValueError(f"{event_id} does not follow {self.last_event_id}")
        if self.last_event_id == RESERVED_TERMINAL_ID:
            raise ValueError("nothing follows the reserved id")
        self._frames.append(frame)
        self.last_event_id = event_id
        self._wake()

    def close(self) -> None:
        self.is_closed = True
        self._wake()

    def frames(self) -> list[bytes]:
        return self._frames.copy()

    def since(self, after: int, *, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` frames with an id above `after`, with their ids."""
        start = self._place(after)
        found = enumerate(self._frames[start : start + limit], start)
        named = [(self._id_at(place), frame) for place, frame in found]
        return [(event_id, frame) for event_id, frame in named if event_id > after]

    async def follow(
        self, *, after: int, silence_s: float | None = None
    ) -> AsyncGenerator[bytes | None]:
        """Frames as they come, until the list is closed; None after each `silence_s` without."""
        self.listeners += 1
        try:
            place = self._place(after)
            while True:
                while place < len(self._frames):
                    if self._id_at(place) > after:
                        yield self._frames[place]
                    place += 1
                    if place % FRAMES_A_TURN == 0:
                        await asyncio.sleep(0)
                if self.is_closed:
                    return
                if not await self._changed(silence_s):
                    yield None
        finally:
            self.listeners -= 1

    def _id_at(self, place: int) -> int:
        return self.last_event_id if place == len(self._frames) - 1 else place + 1

    def _place(self, after: int) -> int:
        """Where to begin to look for ids above `after`, which may be an id that never was."""
        return max(0, min(after, len(self._frames) - 1))

    def _wake(self) -> None:
        # Events exist only while somebody waits, so that appending costs nothing otherwise.
        if self._news is not None:
            self._news.set()
            self._news = None

    async def _changed(self, timeout_s: float | None) -> bool:
        if self._news is None:
            self._news = asyncio.Event()
        news = self._news
        if timeout_s is None:
            await news.wait()
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await news.wait()
        except TimeoutError:
            return False
        return True
