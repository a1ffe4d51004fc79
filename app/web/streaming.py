"""Event streams to clients: unbuffered, kept alive, and let go when a client stops reading."""

import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import anyio
import structlog
from fastapi import Depends, Header, Query, Request
from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from app.core.errors import InvalidRequest
from app.core.sse import KEEP_ALIVE

KEEP_ALIVE_S = 15
# A client that does not take a frame for so long is gone or broken; the run goes on without it.
# With the time between two looks it is let go within 10 s.
SEND_TIMEOUT_S = 8
LOOK_EVERY_S = 2
_NUMBER = re.compile(r"[0-9]{1,10}")
log = structlog.get_logger(__name__)

# By itself the library cuts every stream at SIGTERM. Ours end with a terminal event instead, for
# which the run engine sees to it (chat/engine.py, drain).
AppStatus.disable_automatic_graceful_drain()


class FrameStream(EventSourceResponse):
    """Frames that are bytes already, one a write.

    The library's own loop opens a cancel scope and takes a lock for every event, three quarters of
    its cost; this one writes, and a watcher looks every two seconds whether a write hangs.
    """

    def __init__(
        self, frames: AsyncGenerator[bytes], *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(frames, headers=headers, sep="\n")
        self._frames = frames
        self._wrote_s = time.monotonic()
        self._is_writing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        async with aclosing(self._frames) as frames:
            await send({"type": "http.response.start", **head})
            if scope["method"] != "HEAD":
                async with anyio.create_task_group() as group:
                    group.start_soon(self._watch, receive, send, group.cancel_scope)
                    async for frame in frames:
                        await self._write(send, frame)
                    group.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _write(self, send: Send, frame: bytes) -> None:
        self._wrote_s, self._is_writing = time.monotonic(), True
        await send({"type": "http.response.body", "body": frame, "more_body": True})
        self._is_writing = False

    async def _watch(self, receive: Receive, send: Send, stream: anyio.CancelScope) -> None:
        """End the stream when its client leaves or takes nothing; keep a silent one alive."""
        while True:
            with anyio.move_on_after(LOOK_EVERY_S):
                if (await receive())["type"] == "http.disconnect":
                    stream.cancel()
                    return
            silent_s = time.monotonic() - self._wrote_s
            if self._is_writing and silent_s > SEND_TIMEOUT_S:
                log.info("stalled_client_let_go")
                stream.cancel()
                return
            if not self._is_writing and silent_s > KEEP_ALIVE_S - LOOK_EVERY_S:
                await self._write(send, KEEP_ALIVE)


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
