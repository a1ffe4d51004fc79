"""What the room keeps running: numbering, the hub, its upkeep."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

from app.core.background import kept_up
from app.features.events.hub import Hub
from app.features.events.numbering import number_events
from app.features.events.upkeep import (
    BEAT_EVERY_S,
    CHECK_EVERY_S,
    FIGURES_EVERY_S,
    LOOK_EVERY_S,
    PURGE_EVERY_S,
    Upkeep,
    every,
)
from app.ports import Ports
from app.web.routing import FeatureContext


@asynccontextmanager
async def open_events(ports: Ports) -> FeatureContext:
    """The hub, for as long as the service runs."""
    async with asyncio.TaskGroup() as tasks, asyncio.TaskGroup() as slow_clients:
        hub = Hub(ports, slow_clients)
        upkeep = Upkeep(hub, ports.clock, ports.bus)
        works = (
            partial(number_events, ports),
            hub.hear,
            hub.follow,
            partial(every, LOOK_EVERY_S, upkeep.keep_alive),
            partial(every, CHECK_EVERY_S, upkeep.check_credentials),
            partial(every, BEAT_EVERY_S, upkeep.count_streams),
            partial(every, FIGURES_EVERY_S, upkeep.tell_figures),
            partial(every, PURGE_EVERY_S, upkeep.purge),
            upkeep.hear_of_ends,
            upkeep.stop_with_the_process,
        )
        workers = [tasks.create_task(kept_up(work)) for work in works]
        try:
            yield hub
        finally:
            for worker in workers:
                worker.cancel()
