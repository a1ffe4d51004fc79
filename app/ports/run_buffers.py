"""What a run has streamed so far, numbered, for any number of viewers in any process."""

from collections.abc import AsyncGenerator
from typing import Protocol

from app.core.ids import RunId

# The number of the last event of a run that somebody other than its owner has ended: a client that
# had read further than was kept elsewhere still sees it. SQL knows it too (process_beat_v2).
RESERVED_TERMINAL_ID = 2_000_000_000


class RunBuffer(Protocol):
    """The frames of one run at its owner. Only the run appends; viewers follow."""

    @property
    def last_event_id(self) -> int:
        """The number of the newest frame; 0 before the first."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the last event has been appended."""
        ...

    @property
    def listeners(self) -> int:
        """How many viewers of this process follow now."""
        ...

    def append(self, event_id: int, frame: bytes) -> None:
        """Add one frame: number 1, then 2 …; only the last may be `RESERVED_TERMINAL_ID`."""
        ...

    def close(self) -> None:
        """The last event has been appended."""
        ...

    def frames(self) -> list[bytes]:
        """All frames so far."""
        ...

    def follow(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        """Frames with a greater number as they come, until the buffer is closed."""
        ...


class RunBuffers(Protocol):
    """The buffers of the runs that are under way, here and elsewhere."""

    def open(self, run_id: RunId) -> RunBuffer:
        """A new buffer, of which this process is the owner."""
        ...

    def find(self, run_id: RunId) -> RunBuffer | None:
        """The buffer of a run of this process, or None once it has been given up."""
        ...

    def follow_elsewhere(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        """What another process has written with a greater number, as far as it can be reached.

        None comes about every two seconds of silence, for the caller to look whether the run still
        lives. Ends when its owner has closed it, at once where nothing can be reached.
        """
        ...

    async def is_watched_elsewhere(self, run_id: RunId) -> bool:
        """Whether a viewer of another process has been following in the last ten seconds or so."""
        ...

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        """Close a run whose owner is gone with this last frame, `RESERVED_TERMINAL_ID`.

        What a frozen owner writes afterwards reaches no viewer of another process.
        """
        ...

    def give_up_old(self) -> None:
        """Drop the buffers of runs that ended a short while ago; the database has their frames."""
        ...
