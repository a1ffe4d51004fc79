"""What open streams need beside events: comments, figures, a second look at who reads them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from app.core.clock import Clock
from app.core.errors import Forbidden, Problem, Unauthorized
from app.core.ids import new_id
from app.core.pauses import Pause
from app.core.schemas import rfc3339
from app.core.sse import KEEP_ALIVE, unnamed_frame
from app.domain_events.system_update import EVENT as SYSTEM_UPDATE
from app.features.events.audience import WRITES_A_TURN, Listener
from app.features.events.hub import Hub
from app.ports.bus import CREDENTIALS_ENDED, Bus

KEEP_ALIVE_S = 15.0
LOOK_EVERY_S = 1.0
# A revoked key is told of over the bus. What is not told (an expiry, or in an outage) is
# found within this and as long as credentials are cached: keys 5 s, memberships 30 s.
CHECK_EVERY_S = 5.0
# For the caches of this process to hear of it too; many that end at once are looked at once.
HEARD_WITHIN_S = 0.2
# Three beats within the 15 s after which a process counts as dead (event_streams_beat_v1).
BEAT_EVERY_S = 5.0
FIGURES_EVERY_S = 30.0
PURGE_EVERY_S = 60.0
PURGE_LIMIT = 500
PURGE_PAUSE_S = 0.1
log = structlog.get_logger(__name__)


async def every(pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work again and again; a database that does not answer is for the next time."""
    pause = Pause(log, "upkeep", work=work.__name__)
    while True:
        await asyncio.sleep(pause_s)
        try:
            await work()
            pause.is_over()
        except Problem as problem:
            pause.goes_on(problem)


class Upkeep:
    """The recurring work of one process for its streams."""

    def __init__(self, hub: Hub, clock: Clock, bus: Bus) -> None:
        self._hub, self._clock, self._bus = hub, clock, bus
        self._told_of_streams = False

    async def keep_alive(self) -> None:
        """Send a comment to whoever has had nothing for 15 s, so that no proxy cuts it off."""
        before_s = time.monotonic() - KEEP_ALIVE_S + LOOK_EVERY_S
        await self._write(KEEP_ALIVE, lambda listener, wrote_s: wrote_s <= before_s)

    async def tell_figures(self) -> None:
        """Send each organization that listens a `system_update`; it has no number."""
        organizations = self._hub.organizations
        figures = await self._hub.events.figures(organizations) if organizations else {}
        timestamp = rfc3339(self._clock.now())
        for organization_id, update in figures.items():
            value = {
                "id": new_id(),
                "type": SYSTEM_UPDATE.name,
                "data": update.model_dump(),
                "timestamp": timestamp,
            }
            frame = unnamed_frame(value)
            await self._write(
                frame,
                lambda listener, _, of=organization_id: (
                    listener.caller.organization_id == of
                    and listener.chosen.passes(SYSTEM_UPDATE.name, None)
                ),
            )

    async def _write(self, frame: bytes, to: Callable[[Listener, float], bool]) -> None:
        now_s = time.monotonic()
        for place, listener in enumerate(self._hub, 1):
            outlet = listener.outlet
            if outlet is not None and listener.is_live and to(listener, outlet.wrote_s):
                outlet.write(frame, events=1, now_s=now_s)
            if place % WRITES_A_TURN == 0:
                await asyncio.sleep(0)

    async def check_credentials(self) -> None:
        """Close the streams of credentials that were revoked or have expired."""
        by_credential: dict[str, list[Listener]] = {}
        for listener in self._hub:
            by_credential.setdefault(listener.credential, []).append(listener)
        for listeners in by_credential.values():
            await _check(listeners)

    async def hear_of_ends(self) -> None:
        """Look again as soon as any process says that a credential has ended."""
        async with self._bus.subscribe(CREDENTIALS_ENDED) as messages:
            async for _ in messages:
                await asyncio.sleep(HEARD_WITHIN_S)
                await self.check_credentials()

    async def count_streams(self) -> None:
        """Let the other processes know how many streams are open here."""
        if self._hub.open or self._told_of_streams:
            await self._hub.events.beat(self._hub.process_id, dict(self._hub.open))
            self._told_of_streams = bool(self._hub.open)

    async def purge(self) -> None:
        """Delete what is past its retention, a little at a time, so that nobody waits for it."""
        is_done = False
        while not is_done:
            is_done = await self._hub.events.purge(PURGE_LIMIT)
            await asyncio.sleep(PURGE_PAUSE_S)

    async def stop_with_the_process(self) -> None:
        """End every stream as soon as the process is told to stop; clients come again elsewhere."""
        await self._hub.stopping.wait()
        for listener in self._hub:
            listener.close("stopping")


async def _check(listeners: list[Listener]) -> None:
    """Close those of one credential that may not read any more."""
    try:
        now = await listeners[0].authenticate()
    except (Unauthorized, Forbidden):
        now = None
    except Problem:
        return  # it cannot be told at the moment
    for listener in listeners:
        is_same = now is not None and now.organization_id == listener.caller.organization_id
        if now is None or not is_same or not listener.may_read(now):
            listener.close("credential_ended")
