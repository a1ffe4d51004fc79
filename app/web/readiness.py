"""Tells that the service is ready, once it is."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from app import __version__
from app.ports import Ports

log = structlog.get_logger(__name__)


@asynccontextmanager
async def told_when_ready(ports: Ports) -> AsyncGenerator[None]:
    """Log it at once, or as soon as a database has arrived that is still awaited.

    The line names what is in use: a service whose `DATABASE_URL` was misspelt looks healthy too.
    """
    if ports.arrived.is_set():
        _tell(ports)
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell_later(ports))
        try:
            yield
        finally:
            telling.cancel()


async def _tell_later(ports: Ports) -> None:
    await ports.arrived.wait()
    _tell(ports)


def _tell(ports: Ports) -> None:
    shared = "memory" if ports.settings.redis_url is None else "redis"
    log.info("service_ready", version=__version__, store=ports.store, shared_state=shared)
