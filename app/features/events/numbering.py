"""Numbers committed facts in one short pass after another, in any number of processes."""

import asyncio
from contextlib import suppress

import structlog

from app.core.errors import Problem
from app.core.pauses import Pause
from app.ports import Ports
from app.ports.bus import EVENTS_NUMBERED

BATCH = 1_000
# Facts of this process wake the pass; this finds those of a process that died before its own pass.
IDLE_POLL_S = 1.0
# A pass is a commit of its own: under load many facts share one.
PASS_EVERY_S = 0.02
RETRY_POLL_S = 2.0
log = structlog.get_logger(__name__)


async def number_events(ports: Ports) -> None:
    """Work until cancelled."""
    loop = asyncio.get_running_loop()
    pause = Pause(log, "numbering")
    while True:
        began_s = loop.time()
        # Before the call: what is announced from here on may have been committed too late for it.
        ports.announced.clear()
        if not await _pass(ports, pause):
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_POLL_S):
                    await ports.announced.wait()
        # Who comes alone does not wait for company.
        await asyncio.sleep(max(0.0, began_s + PASS_EVERY_S - loop.time()))


async def _pass(ports: Ports, pause: Pause) -> bool:
    """Number what there is and tell of it; whether there may be more already."""
    try:
        result = await ports.database.system().call("events_number_v2", limit=BATCH)
    except Problem as problem:
        pause.goes_on(problem)
        await asyncio.sleep(RETRY_POLL_S)
        return True
    pause.is_over()
    if result["numbered"]:
        await ports.bus.publish(EVENTS_NUMBERED, {"last": result["last"]})
    # Another pass that is under way may have begun before our facts were committed.
    return bool(result["is_busy"]) or result["numbered"] == BATCH
