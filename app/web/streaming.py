"""Event streams to clients: unbuffered, kept alive, and let go when a client stops reading."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Annotated, Any

import anyio
import structlog
from fastapi import Depends, Header, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import InvalidRequest
from app.core.sse import KEEP_ALIVE
from app.ports.meter import Meter
from app.ports.run_buffers import Tap
from app.web.connections import hang_up
from app.web.going_on import go_on
from app.web.methods import is_head
from app.web.middleware import meter_of, unmarked

KEEP_ALIVE_S = 15
# A client that does not take a frame for so long is gone or broken; the run goes on without it.
# With the time between two looks it is let go within 10 s.
SEND_TIMEOUT_S = 8
LOOK_EVERY_S = 2
# Of one client; servers begin to make writers wait at 64 KB.
MAX_UNSENT_BYTES = 16 * 1024
# Nobody on the way may keep it, or collect it before handing it on.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_NUMBER = re.compile(r"[0-9]{1,10}")
log = structlog.get_logger(__name__)


class FrameStream(Response):
    """Frames that are bytes already, one a write.

    A task of its own writes them, with two calls on its stack and not the twenty of a handler. They
    pass by the middlewares, which have something to say of the head only. What is `held` for the
    stream is let go at its end.

    Frames that are begun with a tap are written within the call that makes them, as long as the
    client keeps up; that spares the task a turn for each.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes] | Callable[[Tap], AsyncGenerator[bytes]],
        *,
        headers: dict[str, str] | None = None,
        held: AsyncExitStack | None = None,
    ) -> None:
        super().__init__(headers=_HEADERS | (headers or {}))
        del self.headers["content-length"]
        self._held = held or AsyncExitStack()
        self._frames = frames(self._take) if callable(frames) else frames
        self._send: Send | None = None
        # How much is written that the client has not taken yet.
        self._unsent: Callable[[], int] | None = None
        self._is_writing = False
        self._moved_s = 0.0
        self._first: tuple[Meter, str, float] | None = None
        self._keeping_alive: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["state"].get("transport")
        if (meter := meter_of(scope)).is_on:
            route = getattr(scope.get("route"), "path", "-")
            self._first = (meter, route, scope["state"]["started_s"])
        rest = partial(self._show, receive, send, unmarked(scope, send), transport)
        await go_on(scope, partial(self._refuse, send) if is_head(scope) else rest)

    async def _refuse(self, send: Send) -> None:
        async with self._held, aclosing(self._frames):
            await self._begin(send)
        await send({"type": "http.response.body", "body": b""})

    async def _show(self, receive: Receive, marking: Send, send: Send, transport: object) -> None:
        async with self._held, aclosing(self._frames):
            await self._stream(receive, marking, send, transport)
        await send({"type": "http.response.body", "body": b""})

    async def _begin(self, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})

    async def _stream(self, receive: Receive, marking: Send, send: Send, transport: object) -> None:
        """Write until the frames end, the client leaves, or it takes nothing for too long."""
        loop = self._loop = asyncio.get_running_loop()
        self._moved_s = loop.time()
        self._unsent = getattr(transport, "get_write_buffer_size", None)
        writing = loop.create_task(self._write_all(marking, send))
        leaving = loop.create_task(_left(receive, writing))
        self._look_later(transport, send, writing)
        try:
            await writing
        except asyncio.CancelledError:
            handler = asyncio.current_task()
            if handler is not None and handler.cancelling():
                raise
        finally:
            self._timer.cancel()
            for task in (writing, leaving, self._keeping_alive):
                if task is not None:
                    task.cancel()

    def _note_first(self) -> None:
        """Tell when the first frame is on its way."""
        if self._first is not None:
            meter, route, asked_s = self._first
            self._first = None
            meter.stream_began(route, time.monotonic() - asked_s)

    async def _write_all(self, marking: Send, send: Send) -> None:
        await self._begin(marking)
        del marking  # it leads to the middlewares, and they to the request
        self._send = send
        async for frame in self._frames:
            self._note_first()
            self._moved_s, self._is_writing = self._loop.time(), True
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            self._is_writing = False

    def _take(self, frame: bytes) -> bool:
        """Write a frame within this call, where nothing has to be waited for."""
        if self._send is None or self._unsent is None or self._unsent() > MAX_UNSENT_BYTES:
            return False
        self._note_first()
        writing = self._send({"type": "http.response.body", "body": frame, "more_body": True})
        step: Any = writing.__await__()
        try:
            next(step)
        except StopIteration:
            self._moved_s = self._loop.time()
            return True
        except Exception:  # whoever makes frames has no part in it; the task meets it too
            return False
        step.close()  # it waits before it writes
        return False

    def _look_later(self, transport: object, send: Send, writing: "asyncio.Task[None]") -> None:
        self._timer = self._loop.call_later(LOOK_EVERY_S, self._look, transport, send, writing)

    def _look(self, transport: object, send: Send, writing: "asyncio.Task[None]") -> None:
        """Keep a silent stream alive, and end one whose client takes nothing."""
        silent_s = self._loop.time() - self._moved_s
        if self._is_writing and silent_s > SEND_TIMEOUT_S:
            log.info("stalled_client_let_go")
            hang_up(transport)
            writing.cancel()
        elif not self._is_writing and silent_s > KEEP_ALIVE_S - LOOK_EVERY_S:
            self._moved_s = self._loop.time()
            self._keeping_alive = self._loop.create_task(_keep_alive(send))
        self._look_later(transport, send, writing)


async def _keep_alive(send: Send) -> None:
    await send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})


async def _left(receive: Receive, writing: "asyncio.Task[None]") -> None:
    """Stop writing when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    writing.cancel()


async def read_to_the_end(frames: AsyncGenerator[bytes], request: Request) -> bool:
    """Follow a stream without showing it; False when the client has left before its end."""
    is_whole = False
    async with aclosing(frames), anyio.create_task_group() as group:

        async def leave_with_the_client() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(leave_with_the_client)
        async for _ in frames:
            pass
        is_whole = True
        group.cancel_scope.cancel()
    return is_whole


async def _after(
    last_event_id: Annotated[
        str | None,
        Header(
            description="The `id` of the last event that was read; the stream goes on after it."
        ),
    ] = None,
    query: Annotated[
        str | None,
        Query(alias="last_event_id", description="The same, where no header can be sent."),
    ] = None,
) -> int:
    given = query if last_event_id is None else last_event_id
    if given is None or not given:
        return 0
    if not _NUMBER.fullmatch(given):
        error = {"parameter": "last-event-id", "in": "header", "detail": "is no event's number"}
        raise InvalidRequest("Last-Event-ID takes the number of an event.", errors=[error])
    return int(given)


AfterEvent = Annotated[int, Depends(_after)]
