"""Keeps the figures up to date: one short pass at a time, in any number of processes."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import structlog

from app.core.background import kept_up
from app.core.errors import Problem
from app.core.pauses import Pause
from app.ports import Ports
from app.ports.bus import EVENTS_NUMBERED, next_message
from app.web.routing import FeatureContext

# News wakes a pass; this finds what changed without an event, or was told of in an outage.
IDLE_POLL_S = 1.0
# Figures are to be two seconds old at most; what comes meanwhile shares a pass.
PASS_EVERY_S = 0.5
EVENTS_A_PASS = 1_000
log = structlog.get_logger(__name__)


async def count(ports: Ports) -> None:
    """Work until cancelled."""
    pause = Pause(log, "counting")
    async with ports.bus.subscribe(EVENTS_NUMBERED) as messages:
        while True:
            if await _pass(ports, pause):
                await asyncio.sleep(PASS_EVERY_S)
                await next_message(messages, within_s=IDLE_POLL_S - PASS_EVERY_S)


async def _pass(ports: Ports, pause: Pause) -> bool:
    """Count what there is; whether that was all."""
    try:
        result = await ports.database.system().call("analytics_count_v1", limit=EVENTS_A_PASS)
    except Problem as problem:
        pause.goes_on(problem)
        await asyncio.sleep(IDLE_POLL_S)
        return True
    pause.is_over()
    return bool(result["is_done"])


@asynccontextmanager
async def open_analytics(ports: Ports) -> FeatureContext:
    """The pass, for as long as the service runs."""
    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(kept_up(partial(count, ports)))
        try:
            yield None
        finally:
            counting.cancel()
