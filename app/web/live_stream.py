"""Event streams without an end: a publisher writes to them, and nobody waits for a slow client."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import anyio
import structlog
from fastapi import Response
from starlette.types import Receive, Scope, Send

from app.web.connections import hang_up
from app.web.going_on import go_on
from app.web.methods import is_head
from app.web.middleware import meter_of, unmarked
from app.web.outlet import SEND_TIMEOUT_S, Outlet

GONE_WITHIN_S = 1.0
log = structlog.get_logger(__name__)


class LiveSource(Protocol):
    """What a stream shows."""

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Where work for slow clients runs."""
        ...

    async def begin(self) -> bytes:
        """Get ready and give what is sent first; a `Problem` is answered in place of a stream."""
        ...

    async def attach(self, outlet: Outlet) -> None:
        """Send what there is already; from then on others write to the outlet."""
        ...

    def leave(self) -> None:
        """The client is gone, or never came to be served."""
        ...


class LiveStream(Response):
    """A response that lasts until its client leaves or its outlet is closed."""

    media_type = "text/event-stream"
    charset = "utf-8"

    def __init__(self, source: LiveSource, *, patience_s: float = SEND_TIMEOUT_S) -> None:
        headers = {"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._source = source
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = self._source
        try:
            first = await source.begin()
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if is_head(scope):
                await send({"type": "http.response.body", "body": b""})
                source.leave()
                return
        except BaseException:
            source.leave()
            raise
        client = _Client(receive, unmarked(scope, send), scope["state"].get("transport"))
        route = getattr(scope.get("route"), "path", "-")
        meter_of(scope).stream_began(route, time.monotonic() - scope["state"]["started_s"])
        await go_on(scope, partial(_show, source, client, first, self._patience_s))


@dataclass(slots=True)
class _Client:
    """The other end of a stream."""

    receive: Receive
    send: Send
    transport: object

    async def left(self) -> None:
        """Wait until it is gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def _show(source: LiveSource, client: _Client, first: bytes, patience_s: float) -> None:
    """Show a source that has begun, until its client leaves or its outlet is closed."""
    try:
        whole = anyio.CancelScope()
        outlet = Outlet(client.send, source.tasks, whole.cancel, patience_s)
        with whole:
            await _attach(source, outlet, client, first)
            await client.left()
            outlet.reason = outlet.reason or "client_left"
        source.leave()
        await _end(outlet, client)
    finally:
        source.leave()


async def _attach(source: LiveSource, outlet: Outlet, client: _Client, first: bytes) -> None:
    """Send what there is already, unless the client leaves meanwhile."""
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await client.left()
            outlet.close("client_left")

        group.start_soon(watch)
        await outlet.send(first)
        await source.attach(outlet)
        group.cancel_scope.cancel()


async def _end(outlet: Outlet, client: _Client) -> None:
    if outlet.reason == "client_left":
        outlet.give_up()
        return
    log.info("stream_closed", reason=outlet.reason)
    if not outlet.is_stuck:
        # The client reads why; `EventSource` comes again by itself.
        last = f": closed: {outlet.reason}\n\n".encode()
        with anyio.move_on_after(GONE_WITHIN_S):
            await client.send({"type": "http.response.body", "body": last})
            return
    # It does not read, so it cannot be told, and a polite end would wait for it.
    outlet.give_up()
    hang_up(client.transport)
    with anyio.move_on_after(GONE_WITHIN_S):
        await client.left()
