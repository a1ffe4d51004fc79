"""Which pages of other origins may call the API."""

from collections.abc import Callable
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EXPOSED = (
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)


class OriginsSource(Protocol):
    """Says which origins organizations have listed."""

    async def is_listed(self, origin: str, organization_id: str | None) -> bool:
        """Whether this organization has, or where none is named, whether anybody has."""
        ...


class PageOrigins:
    """Lets pages of listed origins call every route, and any page the routes of visitors.

    A widget runs on the pages of an organization's customers, whose origins its key lists; a
    preflight carries no key, so nobody could look them up. Nor need anybody: the API knows no
    cookies, so a page can only use a credential that it holds itself. That a widget session is
    opened from a listed page is checked where it is opened.
    """

    def __init__(
        self, app: ASGIApp, *, origins: tuple[str, ...], is_for_visitors: Callable[[str], bool]
    ) -> None:
        self._is_for_visitors = is_for_visitors
        self._listed = _allowing(_ListedOrigins, app, origins)
        self._any = _allowing(CORSMiddleware, app, ("*",))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["type"] == "http" and self._is_for_visitors(scope["path"])
        await (self._any if is_open else self._listed)(scope, receive, send)


class _ListedOrigins(CORSMiddleware):
    """Lets pages of listed origins call; others are served as if they were no pages.

    Starlette alone would refuse those with a 400 in plain text. A browser keeps a page of another
    origin out in any case, as the answer allows it nothing.

    The operator's origins may call for every organization, an organization's own only for that
    one. A preflight carries no credential, so it is answered where anybody has listed the origin.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Most requests are no page's: they pass at the cost of a glance at the names.
        is_plain = not self.allow_origins and all(name != b"origin" for name, _ in scope["headers"])
        if is_plain:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or self.is_allowed_origin(origin):
            await self._of_the_operator(scope, receive, send, headers)
        else:
            await self._of_an_organization(scope, receive, send, headers, origin)

    async def _of_the_operator(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers
    ) -> None:
        if _is_preflight(scope, headers) and self.preflight_response(headers).status_code != 200:
            await self.simple_response(scope, receive, send, request_headers=headers)
            return
        await super().__call__(scope, receive, send)

    async def _of_an_organization(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, origin: str
    ) -> None:
        source: OriginsSource | None = getattr(scope["app"].state, "origins", None)
        if source is None:
            await self.app(scope, receive, send)
            return
        if _is_preflight(scope, headers) and await source.is_listed(origin, None):
            await self._preflight(headers, origin)(scope, receive, send)
            return

        async def send_allowing(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(scope=message)
                if await source.is_listed(origin, scope["state"].get("organization_id")):
                    marked.update(self.simple_headers)
                    marked["Access-Control-Allow-Origin"] = origin
                marked.add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, send_allowing)

    def _preflight(self, headers: Headers, origin: str) -> Response:
        allowed = {**self.preflight_headers, "Access-Control-Allow-Origin": origin}
        requested = headers.get("access-control-request-headers")
        if requested is not None:
            allowed["Access-Control-Allow-Headers"] = requested
        return PlainTextResponse("OK", headers=allowed)


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _allowing(kind: type[CORSMiddleware], app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    return kind(
        app,
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )
