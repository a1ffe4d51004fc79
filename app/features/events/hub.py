"""All open streams of this process, and the one reader that follows numbered events for them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import structlog

from app.core.errors import Problem
from app.core.ids import OrganizationId, new_id
from app.core.pauses import Pause
from app.features.events.audience import Audience, Listener
from app.features.events.frames import Batch
from app.features.events.records import StreamLimits
from app.features.events.repository import AllEvents, EventRepository
from app.ports import Ports
from app.ports.bus import EVENTS_NUMBERED
from app.ports.store import StoreUnavailable
from app.web.auth import Caller
from app.web.limits import TooManyStreams

# Numbering tells of news; this finds what it told while the bus was out, and nobody's news.
FOLLOW_EVERY_S = 0.5
RETRY_EVERY_S = 1.0
JOIN_WITHIN_S = 5.0
RETRY_AFTER_S = 10
log = structlog.get_logger(__name__)


class Hub:
    """Where streams join and leave; `follow` keeps them told."""

    def __init__(self, ports: Ports, tasks: asyncio.TaskGroup) -> None:
        self.process_id = new_id()
        self.tasks = tasks
        self.events = AllEvents(ports.database)
        self.open: Counter[tuple[OrganizationId, str]] = Counter()
        self.stopping = ports.draining
        self._ports = ports
        self._audiences: dict[OrganizationId, Audience] = {}
        self._news = asyncio.Event()
        self._number: int | None = None

    def __iter__(self) -> Iterator[Listener]:
        for audience in tuple(self._audiences.values()):
            yield from audience

    @property
    def organizations(self) -> list[OrganizationId]:
        """Those that have listeners here."""
        return list(self._audiences)

    def repository(self, organization_id: OrganizationId) -> EventRepository:
        return EventRepository(self._ports.database, organization_id)

    async def admit(self, caller: Caller, limits: StreamLimits) -> None:
        """Count one more stream of this caller; `dismiss` takes it back.

        Raises:
            TooManyStreams: as many are open, in all processes together, as may be.
        """
        self.open[caller.organization_id, caller.actor] += 1
        if limits == StreamLimits():
            return
        is_admitted = False
        try:
            is_admitted = await self._may_open(caller, limits)
        finally:
            if not is_admitted:
                self.dismiss(caller)
        if not is_admitted:
            whose = {"one caller": limits.per_caller, "an organization": limits.per_organization}
            most = " and ".join(f"{n} of {who}" for who, n in whose.items() if n is not None)
            raise TooManyStreams(
                f"At most {most} may be open; close one, or wait.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )

    def dismiss(self, caller: Caller) -> None:
        """A stream of this caller is over."""
        key = (caller.organization_id, caller.actor)
        self.open[key] -= 1
        if self.open[key] <= 0:
            del self.open[key]

    async def _may_open(self, caller: Caller, limits: StreamLimits) -> bool:
        own = sum(n for (one, _), n in self.open.items() if one == caller.organization_id)
        return await self.repository(caller.organization_id).admit(
            self.process_id,
            caller.actor,
            limits,
            own_of_actor=self.open[caller.organization_id, caller.actor],
            own=own,
        )

    async def join(self, listener: Listener) -> Audience:
        """Follow the listener's organization; what is numbered from now on will be published.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        organization_id = listener.caller.organization_id
        audience = self._audiences.get(organization_id)
        if audience is None:
            audience = self._audiences[organization_id] = Audience(organization_id)
            self._news.set()
        audience.add(listener)
        try:
            async with asyncio.timeout(JOIN_WITHIN_S):
                await audience.is_followed.wait()
        except TimeoutError:
            raise StoreUnavailable("Events cannot be followed at the moment.") from None
        return audience

    def leave(self, listener: Listener) -> None:
        """Follow it no longer."""
        organization_id = listener.caller.organization_id
        audience = self._audiences[organization_id]
        audience.remove(listener)
        if not audience:
            del self._audiences[organization_id]

    async def hear(self) -> None:
        """Be woken by whoever numbers events, in this process or another."""
        async with self._ports.bus.subscribe(EVENTS_NUMBERED) as messages:
            async for _ in messages:
                self._news.set()

    async def follow(self) -> None:
        """Publish numbered events for as long as there are listeners; until cancelled."""
        pause = Pause(log, "following")
        while True:
            self._news.clear()
            try:
                is_full = await self._read()
            except Problem as problem:
                pause.goes_on(problem)
                await asyncio.sleep(RETRY_EVERY_S)
                continue
            pause.is_over()
            if not is_full:
                await self._wait()

    async def _wait(self) -> None:
        if not self._audiences:
            # Nobody is missed: who comes first reads for itself what was before.
            self._number = None
            await self._news.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_EVERY_S):
                await self._news.wait()

    async def _read(self) -> bool:
        if not self._audiences:
            return False
        if self._number is None:
            self._number = (await self.events.follow(None, ())).last
        audiences = dict(self._audiences)
        # From this number on they are followed, so a listener that now reads for itself what came
        # before misses nothing.
        for audience in audiences.values():
            audience.is_followed.set()
        found = await self.events.follow(self._number, audiences)
        for organization_id, events in found.events.items():
            await audiences[organization_id].publish(Batch(events))
        self._number = found.last
        return found.is_full
