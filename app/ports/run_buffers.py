"""What a run has streamed so far, numbered, for any number of viewers."""

from collections.abc import AsyncGenerator
from typing import Protocol

from app.core.ids import RunId


class RunBuffer(Protocol):
    """The frames of one run. Only the run appends; viewers follow."""

    @property
    def last_event_id(self) -> int:
        """The number of the newest frame; 0 before the first."""
        ...

    def append(self, event: str, data: object) -> None:
        """Add one event; its number is the next one. Nothing can follow a closed buffer."""
        ...

    def close(self) -> None:
        """The last event has been appended."""
        ...

    def follow(self, *, after: int = 0) -> AsyncGenerator[bytes]:
        """Frames from number `after + 1` on as they come, until the buffer is closed."""
        ...


class RunBuffers(Protocol):
    """The buffers of the runs that are under way or ended a short while ago."""

    def open(self, run_id: RunId) -> RunBuffer:
        """A new buffer."""
        ...

    def find(self, run_id: RunId) -> RunBuffer | None:
        """The buffer of a run, or None once it has been given up."""
        ...
