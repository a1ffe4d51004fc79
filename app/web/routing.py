"""Routes that read JSON strictly, and the shape of a feature."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, cast

import orjson
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import MalformedRequest, UnsupportedMediaType
from app.ports import Ports

MAX_DEPTH = 100


class StrictJsonRequest(Request):
    """JSON by RFC 8259 only: no NaN, no Infinity, no lone surrogates, no NUL, UTF-8."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise MalformedRequest(f"The body is not valid JSON: {error.msg[:100]}.") from None
        if b"\\u0000" in body and _holds_nul(value):
            raise MalformedRequest("The body holds the NUL character.")
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        return value


def _holds_nul(value: Any) -> bool:
    # orjson refuses nesting beyond 1,024 levels, so this cannot exhaust the stack.
    match value:
        case str():
            return "\x00" in value
        case dict():
            entries = cast("dict[str, Any]", value)
            return any(_holds_nul(part) for item in entries.items() for part in item)
        case list():
            return any(_holds_nul(part) for part in cast("list[Any]", value))
        case _:
            return False


def _depth(value: Any) -> int:
    depth = -1
    level: list[Any] = [value]
    while level:
        depth += 1
        level = [child for part in level for child in _children(part)]
    return depth


def _children(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(cast("dict[str, Any]", value).values())
        case list():
            return cast("list[Any]", value)
        case _:
            return []


class StrictRoute(APIRoute):
    """A route whose handler gets strictly read JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_json = self.body_field is not None and not isinstance(
            self.body_field.field_info, Form
        )

        async def strict(request: Request) -> Response:
            strict_request = StrictJsonRequest(request.scope, request.receive)
            if takes_json:
                await _refuse_other_types(strict_request)
            try:
                return await handler(strict_request)
            except RequestValidationError:
                raise
            except UnicodeDecodeError:
                raise MalformedRequest("The body is not valid UTF-8.") from None

        return strict


async def _refuse_other_types(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json" and not given.endswith("+json"):
        raise UnsupportedMediaType("Send the body as application/json.")


def room_router(name: str, *, prefix: str) -> APIRouter:
    """The router of a room: its prefix, its tag in the docs, strict JSON."""
    return APIRouter(prefix=prefix, tags=[name], route_class=StrictRoute)


@dataclass(frozen=True, slots=True)
class Feature:
    """A room as the application lists it: routes, and what it keeps running meanwhile."""

    name: str
    router: APIRouter
    open: Callable[[Ports], AbstractAsyncContextManager[Any]] | None = None


FeatureContext = AsyncGenerator[Any]
