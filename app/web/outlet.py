"""The way to one client of a stream without an end: who writes to it never waits for it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import anyio
import structlog
from starlette.types import Message, Send

# A client that takes nothing for so long is gone or broken; with what it had it comes again.
SEND_TIMEOUT_S = 8.0
MAX_WAITING_EVENTS = 256
MAX_WAITING_BYTES = 1024 * 1024
log = structlog.get_logger(__name__)


class _Rest:
    """What is left of a `send` that was begun outside of a task: to be awaited within one."""

    def __init__(self, steps: Generator[Any], first: Any) -> None:
        self._steps, self._first = steps, first

    def __await__(self) -> Generator[Any]:
        try:
            yield self._first
        except BaseException as error:
            with suppress(StopIteration):
                self._steps.throw(error)
            raise
        yield from self._steps


class Outlet:
    """The way to one client.

    `write` never waits: the publisher itself runs the server's `send` as far as it goes, which is
    to its end unless the client is slow. What comes meanwhile waits in a queue of the client's
    own; a client that takes nothing for long, or lets too much wait, is let go.
    """

    # Thousands of them are open at once.
    __slots__ = (
        "_close",
        "_patience_s",
        "_pump",
        "_send",
        "_sends",
        "_tasks",
        "_waiting",
        "_waiting_bytes",
        "_waiting_events",
        "reason",
        "wrote_s",
    )

    def __init__(
        self, send: Send, tasks: asyncio.TaskGroup, close: Callable[[], None], patience_s: float
    ) -> None:
        self._send = send
        self._patience_s = patience_s
        self._tasks = tasks
        self._close = close
        self._pump: asyncio.Task[None] | None = None
        self._sends = False
        self._waiting: deque[bytes] | None = None
        self._waiting_bytes = self._waiting_events = 0
        self.reason: str | None = None
        self.wrote_s = 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether something is on its way that the client does not take."""
        return self._pump is not None or self._sends

    def close(self, reason: str) -> None:
        """End the response; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._close()

    def write(self, chunk: bytes, *, events: int, now_s: float) -> None:
        """Send whole frames now, or as soon as the client takes them."""
        self.wrote_s = now_s
        if self._pump is not None:
            self._wait_in_line(chunk, events)
            return
        steps = self._send(_body(chunk)).__await__()
        try:
            first = next(steps)
        except StopIteration:
            return
        except Exception as error:
            self._broken(error)
            return
        self._pump = self._tasks.create_task(self._catch_up(_Rest(steps, first)))

    async def send(self, chunk: bytes) -> None:
        """Send whole frames and wait for it; for whoever writes to this client alone."""
        self._sends = True
        with anyio.move_on_after(self._patience_s) as patience:
            await self._send(_body(chunk))
        if patience.cancelled_caught:
            self.close("slow_client")
            await anyio.sleep_forever()  # until the cancellation arrives
        self._sends = False
        self.wrote_s = time.monotonic()

    def give_up(self) -> None:
        """Stop whatever still waits for the client."""
        if self._pump is not None:
            self._pump.cancel()

    def _wait_in_line(self, chunk: bytes, events: int) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk)
        self._waiting_events += events
        if self._waiting_events > MAX_WAITING_EVENTS or self._waiting_bytes > MAX_WAITING_BYTES:
            self.close("slow_client")

    def _broken(self, error: Exception) -> None:
        """A failure of the server's own concerns this client only."""
        log.warning("stream_broken", error=type(error).__name__)
        self.close("broken")

    async def _catch_up(self, rest: _Rest) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await rest
            while self._waiting:
                chunk = b"".join(self._waiting)
                self._waiting.clear()
                self._waiting_bytes = self._waiting_events = 0
                async with asyncio.timeout(self._patience_s):
                    await self._send(_body(chunk))
        except TimeoutError:
            self.close("slow_client")
        except Exception as error:
            self._broken(error)
        else:
            self._pump = self._waiting = None


def _body(chunk: bytes) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": True}
