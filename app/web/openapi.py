"""The OpenAPI document: what FastAPI knows, and the failures that every route shares."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core.errors import (
    InvalidRequest,
    MalformedRequest,
    PayloadTooLarge,
    Problem,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from app.web.auth import InvalidCredential, ScopeMissing
from app.web.problems import problems

DESCRIPTION = """
Creates, runs and measures conversational agents that sell and support.

Authorize with an API key (`ac_live_…`); at first start the service keeps one in `DATA_DIR/api_key`.
Errors are `application/problem+json` (RFC 9457) with a stable `code`; `GET /problems` lists them.
Lists come as `{"data": […], "next_cursor": …}`. Every response carries `X-Request-ID`.
"""


def operation_id(route: APIRoute) -> str:
    """The handler's name, which client generators turn into a method's."""
    return f"{route.name}_api" if route.path == "/api/v2/health" else route.name


def complete_openapi(app: FastAPI) -> None:
    """Give every operation the problems that it can answer with."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    _complete(path, operation)
            schemas = document["components"]["schemas"]
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
        return app.openapi_schema or {}

    app.openapi = openapi  # FastAPI's documented way of extending the document


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, shared in _shared(path, has_body="requestBody" in operation).items():
        responses[str(status)] = _merged(responses.get(str(status)), shared)


def _shared(path: str, *, has_body: bool) -> dict[int | str, dict[str, Any]]:
    if not path.startswith("/api/v2/") or path == "/api/v2/health":
        return problems(Problem)
    kinds: list[type[Problem]] = [
        InvalidCredential,
        ScopeMissing,
        MalformedRequest,
        InvalidRequest,
        ServiceUnavailable,
        Problem,
    ]
    if has_body:
        kinds += [PayloadTooLarge, UnsupportedMediaType]
    return problems(*kinds)


def _merged(own: dict[str, Any] | None, shared: dict[str, Any]) -> dict[str, Any]:
    if own is None:
        return shared
    ((media, content),) = shared["content"].items()
    mine = own.get("content", {}).get(media)
    if mine is None:
        return own
    return {
        "description": own["description"],
        "content": {media: content | {"examples": content["examples"] | mine["examples"]}},
    }
