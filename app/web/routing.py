"""Routes that read JSON strictly, and the shape of a feature."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import InvalidRequest, MalformedRequest, UnsupportedMediaType
from app.core.strict_json import IntegerTooLarge, JsonRefused, read_json
from app.ports import Ports


class StrictJsonRequest(Request):
    """A request whose JSON is read strictly (`core/strict_json.py`)."""

    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except IntegerTooLarge as refused:
            raise InvalidRequest(f"The body {refused}.") from None
        except JsonRefused as refused:
            raise MalformedRequest(f"The body {refused}.") from None


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
