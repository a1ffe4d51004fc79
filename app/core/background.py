"""Work that goes on in the background for as long as the service lives."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

PAUSE_S = 1.0
log = structlog.get_logger(__name__)


async def kept_up(work: Callable[[], Awaitable[None]], *, pause_s: float = PAUSE_S) -> None:
    """Do the work, and begin it anew should it crash: one bad row must not stop the service."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("background_work_crashed", work=getattr(work, "__qualname__", "?"))
        else:
            return
        await asyncio.sleep(pause_s)
