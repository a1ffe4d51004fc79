"""What a start need not wait for, made in the moments after it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import structlog
from starlette.routing import BaseRoute

from app.web.deferred_route import DeferredRoute

log = structlog.get_logger(__name__)


@asynccontextmanager
async def warmed(routes: Iterable[BaseRoute]) -> AsyncGenerator[None]:
    """Work out all routes beside what is asked meanwhile, so that no later request has to.

    A request that comes before works out its own.
    """
    async with asyncio.TaskGroup() as tasks:
        warming = tasks.create_task(_warm(routes))
        try:
            yield
        finally:
            warming.cancel()


async def _warm(routes: Iterable[BaseRoute]) -> None:
    for route in routes:
        if isinstance(route, DeferredRoute):
            began = time.perf_counter()
            try:
                route.work_out()
            except Exception:
                log.exception("route_not_worked_out", route=route.path)
            # Half of the time is for requests.
            await asyncio.sleep(time.perf_counter() - began)
