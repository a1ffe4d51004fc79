"""What every request passes: an id, size and character checks, a last resort, one log line."""

import re
import time
from urllib.parse import unquote_to_bytes

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import MalformedRequest, PayloadTooLarge, Problem
from app.core.ids import new_id
from app.web.problems import send_problem

MAX_JSON_BYTES = 1024 * 1024
MAX_UPLOAD_BYTES = 100 * 1024 * 1024
MAX_TARGET_BYTES = 8 * 1024
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
log = structlog.get_logger("app.access")


class RequestMiddleware:
    """Pure ASGI, so that streams pass through it untouched.

    - `X-Request-ID` on every response; a sane incoming one is kept.
    - NUL and bytes that are not UTF-8 in the address are 400, a body over the limit is 413.
    - An unforeseen failure becomes a 500 problem without internals; the log has the traceback.
    - One access line a request: route, status, time; never bodies, headers or queries.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                exchange.check()
                await self._app(scope, exchange.receive, exchange.send)
            except Problem as problem:
                await exchange.fail(problem)
            except Exception as error:
                log.exception("request_crashed", error=type(error).__name__)
                await exchange.fail(Problem("Report this request_id; the log has the cause."))
            finally:
                exchange.note()


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        self.request_id = given if _SANE_REQUEST_ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._scope, self._receive, self._send = scope, receive, send
        self._headers = headers
        self._started_s = time.monotonic()
        self._status: int | None = None
        self._received = 0
        is_upload = headers.get("content-type", "").startswith("multipart/")
        self._limit = MAX_UPLOAD_BYTES if is_upload else MAX_JSON_BYTES

    def check(self) -> None:
        """Refuse what no handler should see.

        Raises:
            MalformedRequest: NUL or invalid UTF-8 in the address, or an endless one.
            PayloadTooLarge: the body announces more than the limit.
        """
        target = self._scope.get("raw_path", b"") + b"?" + self._scope.get("query_string", b"")
        if len(target) > MAX_TARGET_BYTES:
            raise MalformedRequest("The address is longer than 8 KiB.")
        if b"\x00" in target or b"%00" in target:
            raise MalformedRequest("The address holds the NUL character.")
        if not _is_utf8(target):
            raise MalformedRequest("The address is not valid UTF-8.")
        length = self._headers.get("content-length", "0")
        if length.isdigit() and int(length[:15]) > self._limit:
            raise self._too_large()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"Send at most {self._limit // (1024 * 1024)} MiB.")

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
        await self._send(message)

    async def fail(self, problem: Problem) -> None:
        if self._status is None:  # a started response cannot become another one
            await send_problem(self._scope, self._receive, self.send, problem)

    def note(self) -> None:
        route = self._scope.get("route")
        log.info(
            "request",
            method=self._scope["method"],
            route=getattr(route, "path", "-"),
            status=self._status,
            duration_ms=round((time.monotonic() - self._started_s) * 1000, 1),
        )


def _is_utf8(target: bytes) -> bool:
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError:
        return False
    return True
