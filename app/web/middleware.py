"""What every request passes: an id, security headers, a log line; size checks, a last resort."""

import re
import time
from collections.abc import Callable
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
# Nothing of ours is a page but what sets a policy of its own; nothing may be framed or guessed at.
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
log = structlog.get_logger("app.access")


class RequestMiddleware:
    """Pure ASGI, so that streams pass through it untouched.

    - `X-Request-ID` on every response; a sane incoming one is kept.
    - Security headers, where the response does not set its own.
    - While the process is stopping, `Connection: close`: a client that reuses the connection just
      as it is closed would see a reset.
    - One access line a request: route, status, time; never bodies, headers or queries.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_REQUEST_ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started_s = time.monotonic()
        status: int | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _mark(MutableHeaders(scope=message), request_id, scope)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_marked)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    route=scope["state"].get("route", "-"),
                    status=status,
                    duration_ms=round((time.monotonic() - started_s) * 1000, 1),
                )


def _mark(headers: MutableHeaders, request_id: str, scope: Scope) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    ports = getattr(scope["app"].state, "ports", None)
    if ports is not None and ports.draining.is_set():
        headers["Connection"] = "close"


class RefusalMiddleware:
    """Refuses what no handler should see, and answers what nobody foresaw.

    - NUL and bytes that are not UTF-8 in the address are 400, a body over the limit is 413.
    - An unforeseen failure becomes a 500 problem without internals; the log has the traceback.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        async def fail(problem: Problem) -> None:
            if not started:  # a started response cannot become another one
                await send_problem(scope, receive, send, problem)

        try:
            _check_address(scope)
            await self._app(scope, _limited(scope, receive), send_noting)
        except Problem as problem:
            await fail(problem)
        except Exception as error:
            log.exception("request_crashed", error=type(error).__name__)
            await fail(Problem("Report this request_id; the log has the cause."))
        finally:
            scope["state"]["route"] = getattr(scope.get("route"), "path", "-")


def _check_address(scope: Scope) -> None:
    target = scope.get("raw_path", b"") + b"?" + scope.get("query_string", b"")
    if len(target) > MAX_TARGET_BYTES:
        raise MalformedRequest("The address is longer than 8 KiB.")
    if b"\x00" in target or b"%00" in target:
        raise MalformedRequest("The address holds the NUL character.")
    if not _is_utf8(target):
        raise MalformedRequest("The address is not valid UTF-8.")


def _is_utf8(target: bytes) -> bool:
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError:
        return False
    return True


def _limited(scope: Scope, receive: Receive) -> Receive:
    """The body up to the limit, whatever length it announces.

    Raises:
        PayloadTooLarge: it announces more than that, or brings more.
    """
    headers = Headers(scope=scope)
    is_upload = headers.get("content-type", "").startswith("multipart/")
    limit = MAX_UPLOAD_BYTES if is_upload else MAX_JSON_BYTES
    too_large = PayloadTooLarge(f"Send at most {limit // (1024 * 1024)} MiB.")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length[:15]) > limit:
        raise too_large
    return _counting(receive, limit, lambda: too_large)


def _counting(receive: Receive, limit: int, refusal: Callable[[], Problem]) -> Receive:
    received = 0

    async def receive_counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise refusal()
        return message

    return receive_counting
