"""Learns that the process is told to stop before the server begins to wait for its connections."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_to_stop(draining: asyncio.Event) -> Generator[None]:
    """Set `draining` at SIGTERM and SIGINT, and hand them on to the server.

    uvicorn tells the application only after the last connection has closed, and an open stream
    would keep it waiting for that. A second signal of the same kind ends the process at once:
    uvicorn does so for SIGINT, so it is told of a second SIGTERM as of a SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard: set[int] = set()

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(signal.SIGINT if number in heard else number, frame)
        heard.add(number)

    for number in before:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is hear:
                signal.signal(number, handler)
