"""What a start need not wait for, made in the moments after it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager

import structlog
from starlette.routing import BaseRoute

from app.core.loading import load_the_rest
from app.ports import Ports
from app.web.deferred_route import DeferredRoute

# The server begins to listen only when the application says that it has started.
SERVED_FIRST_S = 0.1
log = structlog.get_logger(__name__)


@asynccontextmanager
async def warmed(routes: Iterable[BaseRoute], ports: Ports) -> AsyncGenerator[None]:
    """Load what was put off, and work out all routes, beside what is asked meanwhile.

    A request that comes before loads and works out what it needs.
    """
    async with asyncio.TaskGroup() as tasks:
        warming = tasks.create_task(_warm(routes, ports))
        try:
            yield
        finally:
            warming.cancel()


async def _warm(routes: Iterable[BaseRoute], ports: Ports) -> None:
    await asyncio.sleep(SERVED_FIRST_S)
    for asked in (*ports.models.providers, *ports.embedders.all):
        with _told("not_prepared", name=asked.name):
            await asked.prepare()
    with _told("not_loaded"):
        await asyncio.to_thread(load_the_rest)
    for route in routes:
        if isinstance(route, DeferredRoute):
            began = time.perf_counter()
            with _told("route_not_worked_out", route=route.path):
                route.work_out()
            # Half of the time is for requests.
            await asyncio.sleep(time.perf_counter() - began)


@contextmanager
def _told(event: str, **about: str) -> Generator[None]:
    """A failure is logged and no more: whoever asks next tries again, and is told."""
    try:
        yield
    except Exception:
        log.exception(event, **about)
