"""Numbers committed facts in one short pass after another, in any number of processes."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import structlog

from app.core.background import kept_up
from app.core.errors import Problem
from app.ports import Ports
from app.ports.store import Scope
from app.web.routing import FeatureContext

IDLE_POLL_S = 0.5
RETRY_POLL_S = 2.0
log = structlog.get_logger(__name__)


async def number_events(system: Scope) -> None:
    """Work until cancelled."""
    while True:
        try:
            result = await system.call("events_number_v1")
        except Problem as problem:
            log.warning("numbering_paused", code=problem.code())
            await asyncio.sleep(RETRY_POLL_S)
            continue
        if not result["numbered"]:
            await asyncio.sleep(IDLE_POLL_S)


@asynccontextmanager
async def open_numbering(ports: Ports) -> FeatureContext:
    """The pass for as long as the service runs."""
    async with asyncio.TaskGroup() as tasks:
        system = ports.database.system()
        worker = tasks.create_task(kept_up(partial(number_events, system)))
        try:
            yield None
        finally:
            worker.cancel()
