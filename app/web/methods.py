"""The methods that an address takes: HEAD wherever GET is, OPTIONS everywhere, a whole Allow."""

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HeadAsGet:
    """Serves HEAD with the route of GET; the server leaves the body out (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # The server keeps its own scope, by which it knows that this is a HEAD.
            scope = {**scope, "method": "GET"}
            scope.setdefault("state", {})["is_head"] = True
        await self._app(scope, receive, send)


def is_head(scope: Scope) -> bool:
    """Whether nobody will see the body: what has no end must not begin then."""
    return scope["method"] == "HEAD" or "is_head" in scope.get("state", ())


def allowed_methods(request: Request) -> str:
    """All methods that the request's address takes, as in an `Allow` header.

    Routes are registered a method at a time, and Starlette would name those of the first only.
    """
    routes: list[BaseRoute] = request.app.routes
    place = {name: request.scope[name] for name in ("type", "path", "root_path", "headers")}
    taken = [
        method
        for method in METHODS
        if any(route.matches(place | {"method": method})[0] is Match.FULL for route in routes)
    ]
    if "GET" in taken:
        taken.insert(1, "HEAD")
    return ", ".join([*taken, "OPTIONS"])
