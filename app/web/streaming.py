"""Event streams to clients: unbuffered, kept alive, and let go when a client stops reading."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import anyio
from fastapi import Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus

from app.core.errors import InvalidRequest

KEEP_ALIVE_S = 15
# A client that does not take a frame for so long is gone or broken; the run goes on without it.
SEND_TIMEOUT_S = 10
_NUMBER = re.compile(r"[0-9]{1,10}")

# By itself the library cuts every stream at SIGTERM. Ours end with a terminal event instead, for
# which the run engine sees to it (chat/engine.py, drain).
AppStatus.disable_automatic_graceful_drain()


class FrameStream(EventSourceResponse):
    """Frames that are bytes already, one a write."""

    def __init__(
        self, frames: AsyncGenerator[bytes], *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(
            frames,
            headers=headers,
            ping=KEEP_ALIVE_S,
            ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
            sep="\n",
        )


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
