"""Waits for a database that cannot be reached when the service starts (PG-1)."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from app.ports.store import StoreUnavailable

# With an attempt's own 3 s the service is ready within 5 s after its database.
FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 1.0
# Longer than a database takes to restart or fail over; then whoever runs the service should know.
GIVE_UP_AFTER_S = 600.0
log = structlog.get_logger(__name__)


@asynccontextmanager
async def opened_on_arrival(
    attempt: Callable[[], Awaitable[None]], *, give_up_after_s: float = GIVE_UP_AFTER_S
) -> AsyncGenerator[None]:
    """Open a database by an attempt that succeeds: before the body, or else beside it.

    Raises:
        StoreUnavailable: no attempt was able to reach the database for so long.
        Exception: what else an attempt raised; the body is cancelled for it.
    """
    try:
        await attempt()
    except StoreUnavailable as problem:
        # Told at once, as it may be the address that is wrong and not the database that is down.
        log.warning("database_awaited", reason=str(problem), for_at_most_s=give_up_after_s)
    else:
        yield
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_wait(attempt, give_up_after_s))
            try:
                yield
            finally:
                waiting.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _wait(attempt: Callable[[], Awaitable[None]], give_up_after_s: float) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    pause_s = FIRST_PAUSE_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, MAX_PAUSE_S)
        try:
            await attempt()
        except StoreUnavailable:
            if loop.time() - started_s > give_up_after_s:
                log.error("database_not_reachable", after_s=round(loop.time() - started_s))
                raise
        else:
            log.info("database_arrived", after_s=round(loop.time() - started_s, 1))
            return
