"""The open streams of one organization, to whom its events are sent as they are numbered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from app.core.ids import OrganizationId
from app.features.events.frames import Batch
from app.features.events.records import EventFilter, StreamLimits
from app.web.auth import Caller
from app.web.outlet import Outlet

# So many writes at a time, then everybody else has a turn.
WRITES_A_TURN = 200


def may_read_events(caller: Caller) -> bool:
    """Whether a caller may read all events of its organization."""
    return caller.may("events:read")


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream: what it wants, how far it has come, on whose behalf."""

    caller: Caller
    credential: str
    authenticate: Callable[[], Awaitable[Caller]]
    chosen: EventFilter
    limits: StreamLimits
    may_read: Callable[[Caller], bool] = may_read_events
    """Whether whoever its credential stands for by now may still read."""
    outlet: Outlet | None = None
    position: int = 0
    is_live: bool = False

    def take(self, batch: Batch, chunk: bytes, count: int, now_s: float) -> None:
        """Send what of the batch it has not had; `chunk` is all of it that passes its filter."""
        if not self.is_live or self.outlet is None or self.position >= batch.last:
            return
        if self.position >= batch.first:
            chunk, count = batch.passing(self.chosen, after=self.position)
        self.position = batch.last
        if count:
            self.outlet.write(chunk, events=count, now_s=now_s)

    def close(self, reason: str) -> None:
        """End the stream, if it has begun."""
        if self.outlet is not None:
            self.outlet.close(reason)


@dataclass(eq=False, slots=True)
class Audience:
    """Listeners by filter, so that what passes is looked at once for all who want the same."""

    organization_id: OrganizationId
    is_followed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when whatever is numbered from now on will be published here."""
    position: int | None = None
    """The number up to which everything was published, or is older than any listener."""
    _groups: dict[EventFilter, dict[Listener, None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __iter__(self) -> Iterator[Listener]:
        for group in tuple(self._groups.values()):
            yield from tuple(group)

    def add(self, listener: Listener) -> None:
        self._groups.setdefault(listener.chosen, {})[listener] = None

    def remove(self, listener: Listener) -> None:
        group = self._groups[listener.chosen]
        del group[listener]
        if not group:
            del self._groups[listener.chosen]

    async def publish(self, batch: Batch) -> None:
        """Send a batch to every live listener."""
        # First of all: whoever becomes live while others are written to has read this far.
        self.position = max(batch.last, self.position or 0)
        for chosen, group in tuple(self._groups.items()):
            chunk, count = batch.passing(chosen)
            now_s = time.monotonic()
            for place, listener in enumerate(tuple(group), 1):
                listener.take(batch, chunk, count, now_s)
                if place % WRITES_A_TURN == 0:
                    await asyncio.sleep(0)
