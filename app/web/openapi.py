"""The OpenAPI document: what FastAPI knows, made readable, with the failures that routes share."""

import sys
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.core.errors import (
    AddressTooLong,
    HeadersTooLarge,
    InvalidRequest,
    MalformedRequest,
    PayloadTooLarge,
    Problem,
    RequestTooSlow,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from app.web.auth import InvalidCredential
from app.web.caller import ScopeMissing
from app.web.limits import RateLimited
from app.web.openapi_schemas import examples_of, plainer, without_null
from app.web.openapi_webhooks import webhooks
from app.web.problems import SCHEMA, both, problems

DESCRIPTION = """
Creates, runs and measures conversational agents that sell and support.

Authorize with an API key (`ac_live_…`); at first start the service keeps one in `DATA_DIR/api_key`,
and `python main.py key` makes another.
Errors are `application/problem+json` (RFC 9457) with a stable `code`; `GET /problems` lists them.
Lists come as `{"data": […], "next_cursor": …}`. Every response carries `X-Request-ID`.
"""
SYSTEM = "What the service is, whether it is ready, and every kind of problem."
_REFUSED_UNSEEN = (MalformedRequest, AddressTooLong, HeadersTooLarge)
UNNAMED_RESPONSE = "Successful Response"


def operation_id(route: APIRoute) -> str:
    """The handler's name, which client generators turn into a method's."""
    return f"{route.name}_api" if route.path == "/api/v2/health" else route.name


def complete_openapi(app: FastAPI) -> None:
    """Make the document plain, and give every operation the problems that it can answer with."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain())
        return app.openapi_schema or {}

    app.openapi = openapi  # FastAPI's documented way of extending the document


def _complete(document: dict[str, Any]) -> None:
    components: dict[str, Any] = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    tags: set[str] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, operation, components)
            tags.update(operation["tags"])
            _complete_body(method, operation, components)
    document["webhooks"] = webhooks(components)
    for name, schema in components.items():
        components[name] = plainer(schema)
    for schema in components.values():
        if examples := examples_of(schema, components):
            schema["examples"] = examples
    components["Problem"] = SCHEMA
    document["tags"] = [{"name": tag, "description": _about(tag)} for tag in sorted(tags)]


def _about(tag: str) -> str:
    room = sys.modules.get(f"app.features.{tag}")
    return (room.__doc__ if room else None) or SYSTEM


def _complete_operation(path: str, operation: dict[str, Any], components: dict[str, Any]) -> None:
    operation.setdefault("security", [])
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = without_null(parameter["schema"])
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, response in responses.items():
        if response["description"] == UNNAMED_RESPONSE:
            response["description"] = _told(status, response, components)
    for status, shared in _shared(path, has_body="requestBody" in operation).items():
        responses[str(status)] = both(responses.get(str(status)), shared)
    operation["responses"] = {status: responses[status] for status in sorted(responses)}


def _told(status: str, response: dict[str, Any], components: dict[str, Any]) -> str:
    """What a successful response holds: the first line of its model's description."""
    if status == "204":
        return "Done."
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    model = components.get(schema.get("$ref", "").rpartition("/")[2], {})
    return model.get("description", "Done.").partition("\n")[0]


def _complete_body(method: str, operation: dict[str, Any], components: dict[str, Any]) -> None:
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        body = components.get(content["schema"].get("$ref", "").rpartition("/")[2], {})
        fields = body.get("properties", {})  # a union has none of its own
        for name, field in fields.items():
            if method == "patch":
                # What is left out stays as it is; the model's defaults mean nothing.
                field.pop("default", None)
            if media == "multipart/form-data":
                fields[name] = field = without_null(field)
                if field.get("type") == "array":
                    field["minItems"] = 1  # a form cannot tell an empty list from none


def _shared(path: str, *, has_body: bool) -> dict[int | str, dict[str, Any]]:
    if not path.startswith("/api/v2/") or path == "/api/v2/health":
        return problems(*_REFUSED_UNSEEN, Problem)
    kinds: list[type[Problem]] = [
        InvalidCredential,
        ScopeMissing,
        RateLimited,
        *_REFUSED_UNSEEN,
        InvalidRequest,
        ServiceUnavailable,
        Problem,
    ]
    if has_body:
        kinds += [PayloadTooLarge, RequestTooSlow, UnsupportedMediaType]
    return problems(*kinds)
