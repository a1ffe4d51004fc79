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


def complete_openapi(app: FastAPI) -> None:
    """Give every route the problems that it can answer with and a stable operation id."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.name if route.include_in_schema else None
            shared = _shared(route)
            for status, response in shared.items():
                route.responses[status] = _merged(route.responses.get(status), response)
    _unique_operation_ids(app)


def _shared(route: APIRoute) -> dict[int | str, dict[str, Any]]:
    if not route.path.startswith("/api/v2/") or route.path == "/api/v2/health":
        return problems(Problem)
    kinds: list[type[Problem]] = [
        InvalidCredential,
        ScopeMissing,
        MalformedRequest,
        InvalidRequest,
        ServiceUnavailable,
        Problem,
    ]
    if route.body_field is not None:
        kinds += [PayloadTooLarge, UnsupportedMediaType]
    return problems(*kinds)


def _merged(own: dict[str, Any] | None, shared: dict[str, Any]) -> dict[str, Any]:
    if own is None:
        return shared
    if "model" in own:
        return own
    ((media, content),) = shared["content"].items()
    examples = {
        **content["examples"],
        **own.get("content", {}).get(media, {}).get("examples", {}),
    }
    return {
        "description": own["description"],
        "content": {media: {"schema": content["schema"], "examples": examples}},
    }


def _unique_operation_ids(app: FastAPI) -> None:
    seen: set[str] = set()
    for route in app.routes:
        if isinstance(route, APIRoute) and route.operation_id:
            if route.operation_id in seen:
                route.operation_id = f"{route.operation_id}_api"
            seen.add(route.operation_id)
