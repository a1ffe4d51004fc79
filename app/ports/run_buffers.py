"""What runs have streamed so far, numbered, for any number of viewers at any process."""

from collections.abc import AsyncGenerator, Callable, Collection
from typing import Protocol

from app.core.ids import RunId

# The id of the terminal event of a run that somebody other than its owner has closed: above every
# id that the owner can have shown, so that a client that had read further still sees it.
RESERVED_TERMINAL_ID = 2_000_000_000
# Ended runs are followed in the database; these frames are for viewers who are still reading.
KEEP_AFTER_END_S = 2.0

Tap = Callable[[bytes], bool]
"""Takes a frame at once; False where it cannot, and its viewer is woken to take it in its time."""


class RunBuffer(Protocol):
    """The frames of one run at its owner. Appending never waits for a network."""

    @property
    def last_event_id(self) -> int:
        """The id of the newest frame; 0 before the first."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the last frame has been appended."""
        ...

    @property
    def is_fenced(self) -> bool:
        """Whether others have closed the run: they see nothing of what is appended any more."""
        ...

    @property
    def listeners(self) -> int:
        """Viewers of this process who are following now."""
        ...

    def append(self, event_id: int, frame: bytes) -> None:
        """Add the next frame: ids are 1, 2, 3 …; only the last may be RESERVED_TERMINAL_ID.

        Raises:
            ValueError: another id comes next.
            RuntimeError: the buffer is closed.
        """
        ...

    def close(self) -> None:
        """The last frame has been appended."""
        ...

    def leave(self) -> None:
        """This process appends no more, though the run has not ended.

        Viewers here are let go after the frames so far; those elsewhere may wait for more. Whoever
        goes on with the run opens it anew and appends all frames again, from the first one.
        """
        ...

    def follow(self, *, after: int = 0, tap: Tap | None = None) -> AsyncGenerator[bytes]:
        """Frames with an id above `after` as they come, until the buffer is closed or left.

        While the viewer waits for more, its tap is given each frame within `append`; those that it
        takes are not yielded.
        """
        ...

    def frames(self) -> list[bytes]:
        """All frames so far."""
        ...


class RunBuffers(Protocol):
    """The buffers of the runs that are under way or ended a short while ago."""

    def open(self, run_id: RunId) -> RunBuffer:
        """A new buffer, owned by this process."""
        ...

    def find(self, run_id: RunId) -> RunBuffer | None:
        """The buffer of a run that this process owns, or None once it was left or given up."""
        ...

    def follow_elsewhere(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        """What another process writes: frames with an id above `after` as they come.

        None comes about every 2 s of silence, so that the caller can look whether the run still
        lives. It ends when the owner, or `terminate`, has closed the run, and also when frames
        were lost on the way: it never skips. After the end without a terminal frame, the database
        knows. While it is open, the owner sees that it is watched.
        """
        ...

    async def has_elsewhere(self, run_id: RunId) -> bool:
        """Whether frames that another process wrote can be followed now."""
        ...

    async def is_watched_elsewhere(self, run_id: RunId) -> bool:
        """Whether another process had a viewer in the last 10 s; True where nobody can know."""
        ...

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        """Close a run whose owner is gone, with its terminal frame under RESERVED_TERMINAL_ID.

        Call it once the database has decided. What the owner writes later is refused. A run that
        its owner has closed stays as it is. In an outage it is made up for.
        """
        ...

    async def forget(self, run_ids: Collection[RunId]) -> None:
        """Drop what runs that are over have streamed; where Redis is down, it expires there."""
        ...

    def give_up_old(self) -> None:
        """Drop buffers of this process that were closed more than KEEP_AFTER_END_S ago."""
        ...
