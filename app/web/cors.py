"""Which pages of other origins may call the API."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

EXPOSED = ("X-Request-ID", "ETag", "Location", "Retry-After")


class ListedOrigins(CORSMiddleware):
    """Answers the preflights of the listed origins; others are served as if they were no pages.

    Starlette alone would refuse those with a 400 in plain text. A browser keeps a page of another
    origin out in any case, as the answer allows it nothing.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            is_preflight = "origin" in headers and "access-control-request-method" in headers
            if is_preflight and self.preflight_response(headers).status_code != 200:
                await self.simple_response(scope, receive, send, request_headers=headers)
                return
        await super().__call__(scope, receive, send)
