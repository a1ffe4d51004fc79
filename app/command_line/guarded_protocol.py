"""HTTP connections that are cut when a request does not come, or comes in drips.

uvicorn waits for ever for the end of a request's head, and takes one of any size; this is the part
of a front proxy that a service without one cannot do without. Bodies are the application's concern
(`app/web/bodies.py`).
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from app.command_line.joined_writes import JoiningProtocol
from app.core.errors import HeadersTooLarge, MalformedRequest, Problem, RequestTooSlow
from app.core.ids import new_id

# From the first byte, or from the opening of a connection on which none comes.
HEAD_WITHIN_S = 15.0
MAX_HEAD_BYTES = 64 * 1024


class GuardedProtocol(JoiningProtocol):
    """A connection on which a request's head is due within 15 s, in at most 64 KiB."""

    head_within_s = HEAD_WITHIN_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._due: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        if cycle is None or cycle.response_complete:
            self._await_head()
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge("Send at most 32 KiB of headers."))

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest("This is no request of HTTP/1.1 that could be understood."))

    def _await_head(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(self.head_within_s, self._cut)

    def _stop_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _cut(self) -> None:
        if self._is_in_head and self._head_bytes:
            self._refuse(RequestTooSlow("Send the head of the request at once."))
        else:
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer without a request, as the application would."""
        self._stop_waiting()
        request_id = new_id()
        kind = type(problem)
        body = json.dumps(
            {
                "type": f"/problems/{kind.slug()}",
                "title": kind.title(),
                "status": kind.status,
                "detail": problem.detail,
                "code": kind.code(),
                "request_id": request_id,
            }
        ).encode()
        head = (
            f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n"
            f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
