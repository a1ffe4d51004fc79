"""One client's stream: first what it has missed, then what is published, nothing twice."""

import asyncio

import structlog

from app.core.errors import Problem
from app.core.pauses import Pause
from app.core.sse import KEEP_ALIVE
from app.features.events.audience import Audience, Listener
from app.features.events.frames import beginning, gap, joined, shown
from app.features.events.hub import Hub
from app.features.events.records import Replay
from app.web.outlet import Outlet

RETRY_EVERY_S = 1.0
log = structlog.get_logger(__name__)


class DashboardStream:
    """A `LiveSource` (web/live_stream.py) over the hub.

    The hand-over: the listener joins the hub first and reads history then, page by page, until it
    has all that was published meanwhile. Between that look and becoming live nothing is awaited.
    """

    def __init__(self, hub: Hub, listener: Listener, *, after: int | None) -> None:
        self._hub = hub
        self._listener = listener
        self._after = after
        self._repository = hub.repository(listener.caller.organization_id)
        self._audience: Audience | None = None
        self._page: Replay | None = None
        self._is_counted = self._has_joined = False

    @property
    def tasks(self) -> asyncio.TaskGroup:
        return self._hub.tasks

    async def begin(self) -> bytes:
        """Count it, join, and look where history stands; gives the first bytes of the stream.

        Raises:
            TooManyStreams: one more may not be open.
            StoreUnavailable: the database does not answer.
        """
        listener = self._listener
        await self._hub.admit(listener.caller, listener.limits)
        self._is_counted = self._has_joined = True
        audience = self._audience = await self._hub.join(listener)
        if self._after is None and audience.position is not None:
            listener.position = audience.position
            return beginning(listener.position)
        page = self._page = await self._repository.replay(self._after, listener.chosen)
        listener.position = page.start
        if audience.position is None:
            audience.position = page.head
        missing = gap(page.start, listener.chosen) if self._after not in (None, page.start) else b""
        return beginning(page.start) + missing

    async def attach(self, outlet: Outlet) -> None:
        """Send what was missed, then go live."""
        self._listener.outlet = outlet
        if self._hub.stopping.is_set():
            outlet.close("stopping")
            return
        while not self._is_caught_up():
            page = self._page or await self._next_page(outlet)
            self._page = None
            chosen = self._listener.chosen
            for chunk in joined(shown(event, chosen) for event in page.events if chosen.has(event)):
                await outlet.send(chunk)
            self._listener.position = page.last
        self._listener.is_live = True

    def leave(self) -> None:
        """Leave the hub and be counted no longer; a second time does nothing."""
        if self._has_joined:
            self._hub.leave(self._listener)
            self._has_joined = False
        if self._is_counted:
            self._hub.dismiss(self._listener.caller)
            self._is_counted = False

    def _is_caught_up(self) -> bool:
        """Whether all that was published so far has been read."""
        published = self._audience.position if self._audience is not None else None
        return self._page is None and self._listener.position >= (published or 0)

    async def _next_page(self, outlet: Outlet) -> Replay:
        position = self._listener.position
        pause = Pause(log, "replay")
        while True:
            try:
                page = await self._repository.replay(position, self._listener.chosen)
            except Problem as problem:
                pause.goes_on(problem)
                await asyncio.sleep(RETRY_EVERY_S)
                await outlet.send(KEEP_ALIVE)
                continue
            pause.is_over()
            if page.start != position:  # purged while it was read
                await outlet.send(gap(page.start, self._listener.chosen))
            return page
