"""What every request passes: an id, security headers, a log line; size checks, a last resort."""

import re
import time
from urllib.parse import unquote_to_bytes

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import AddressTooLong, HeadersTooLarge, MalformedRequest, Problem
from app.core.ids import new_id
from app.ports.meter import SILENT, Meter
from app.web.bodies import bounded
from app.web.client_address import FORWARDED_FOR, client_address, counted_as
from app.web.connections import own_send, transport_of
from app.web.going_on import ask_for_rest, done
from app.web.problems import send_problem

MAX_TARGET_BYTES = 8 * 1024
MAX_HEADERS = 100
MAX_HEADERS_BYTES = 32 * 1024
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
        self._has_warned = False
        # Bound once: for each line that is not written, that would cost more than the rest.
        self._log = log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _SANE_REQUEST_ID.fullmatch(given) else new_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["transport"] = transport_of(receive)
        state["client_address"] = self._client_address(scope, headers)
        state["unmarked_send"] = own_send(receive) or send
        started_s = state["started_s"] = time.monotonic()
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
                # It leads back to this scope: a circle that only the collector would end.
                state.pop("unmarked_send", None)
                took_s, route = time.monotonic() - started_s, scope["state"].get("route", "-")
                meter_of(scope).request_ended(scope["method"], route, status, took_s)
                self._log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    duration_ms=round(took_s * 1000, 1),
                )

    def _client_address(self, scope: Scope, headers: Headers) -> str:
        settings = scope["app"].state.settings
        trusted, header = settings.trusted_proxies, settings.client_address_header
        if not trusted and not self._has_warned and FORWARDED_FOR in headers:
            self._has_warned = True
            log.warning(
                "forwarded_header_ignored",
                hint="Behind a proxy all clients count as one: name it in TRUSTED_PROXIES.",
            )
        return counted_as(client_address(scope, trusted, header))


def meter_of(scope: Scope) -> Meter:
    """The process's meter; before it is open, one that notes nothing."""
    ports = getattr(scope["app"].state, "ports", None)
    return SILENT if ports is None else ports.meter


def unmarked(scope: Scope, send: Send) -> Send:
    """The server's own `send`, for what follows the head and passes here untouched."""
    return scope["state"].get("unmarked_send", send)


def _mark(headers: MutableHeaders, request_id: str, scope: Scope) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    if scope["path"].startswith("/api/"):
        # Whose data it is depends on the credential; a browser or proxy is to keep none of it.
        headers.setdefault("Cache-Control", "no-store")
    standing = scope["state"].get("standing")
    if standing is not None:
        for name, value in standing.headers().items():
            headers.setdefault(name, value)
    ports = getattr(scope["app"].state, "ports", None)
    if ports is not None and ports.draining.is_set():
        headers["Connection"] = "close"


class RefusalMiddleware:
    """Refuses what no handler should see, and answers what nobody foresaw.

    - NUL and bytes that are not UTF-8 in the address are 400, one that is too long is 414, headers
      that are too many 431; bodies are bounded (`web/bodies.py`).
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

        ask_for_rest(scope)
        try:
            _check_address(scope)
            _check_headers(scope)
            await self._handle(scope, bounded(scope, receive), send_noting)
            await done(scope)
        except Problem as problem:
            await fail(problem)
        except Exception as error:
            log.exception("request_crashed", error=type(error).__name__)
            await fail(Problem("Report this request_id; the log has the cause."))

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy, as a stream outlives what routing keeps in it.
        inner: Scope = {**scope}
        try:
            await self._app(inner, receive, send)
        finally:
            scope["state"]["route"] = getattr(inner.get("route"), "path", "-")


def _check_address(scope: Scope) -> None:
    target = scope.get("raw_path", b"") + b"?" + scope.get("query_string", b"")
    if len(target) > MAX_TARGET_BYTES:
        raise AddressTooLong("Keep path and query within 8 KiB.")
    if b"\x00" in target or b"%00" in target:
        raise MalformedRequest("The address holds the NUL character.")
    if not _is_utf8(target):
        raise MalformedRequest("The address is not valid UTF-8.")


def _check_headers(scope: Scope) -> None:
    headers = scope["headers"]
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADERS_BYTES:
        raise HeadersTooLarge("Send at most 100 headers, and 32 KiB of them.")


def _is_utf8(target: bytes) -> bool:
    try:
        unquote_to_bytes(target).decode()
    except UnicodeDecodeError:
        return False
    return True
