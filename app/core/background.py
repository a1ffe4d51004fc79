"""Work that goes on in the background for as long as the service lives."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog

PAUSE_S = 1.0
Result = TypeVar("Result")
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


def in_daemon(work: Callable[[], Result]) -> asyncio.Future[Result]:
    """The result of blocking work in a thread of its own, which keeps no process from its end.

    Threads of `asyncio.to_thread` are waited for when the loop is closed; this one is let go.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        if not future.cancelled():
            settle(value)

    def run() -> None:
        try:
            settle, value = future.set_result, work()
        except BaseException as error:
            settle, value = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, settle, value)

    threading.Thread(target=run, daemon=True, name="in_daemon").start()
    return future
