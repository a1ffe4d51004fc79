"""What can be read of past events."""

from collections.abc import AsyncIterator
from datetime import datetime

from app.features.events.errors import HistoryGone
from app.features.events.records import EventFilter
from app.features.events.repository import EventRepository
from app.features.events.schemas import Event
from app.ports import Ports
from app.web.auth import Caller

# Few enough that turning them into text holds nobody else up.
EXPORTED_AT_ONCE = 200


class EventHistory:
    """The events of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._repository = EventRepository(ports.database, caller.organization_id)

    async def page(
        self,
        chosen: EventFilter,
        *,
        after: int | None,
        cursor: str | None,
        between: tuple[datetime | None, datetime | None],
        limit: int,
    ) -> list[Event]:
        """Newest first, or oldest first after a number; `cursor` is the last of the page before.

        Raises:
            HistoryGone: some of what came after that number is kept no longer, or nothing has
                had so great a number. After 0 comes all that is kept.
        """
        reached = None if cursor is None else int(cursor)
        start = after if after is None or reached is None else reached
        before = reached if after is None else None
        events, purged, head = await self._repository.page(
            chosen, after=start, before=before, between=between, limit=limit
        )
        if start is not None and (0 < start < purged or start > head):
            raise HistoryGone(f"Begin again with after={purged}.", oldest_after=purged)
        return events

    async def pages(
        self, chosen: EventFilter, *, between: tuple[datetime | None, datetime | None]
    ) -> AsyncIterator[list[Event]]:
        """All that is kept, oldest first, some hundreds at a time; the first may be empty.

        Raises:
            HistoryGone: what came next was purged while it was read.
        """
        after = 0
        while True:
            events, purged, _ = await self._repository.page(
                chosen, after=after, before=None, between=between, limit=EXPORTED_AT_ONCE
            )
            if after and after < purged:
                raise HistoryGone(oldest_after=purged)
            yield events
            if len(events) < EXPORTED_AT_ONCE:
                return
            after = events[-1].number
