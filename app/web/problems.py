"""The one renderer of problems: every failure leaves as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, cast

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.core.errors import (
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    UnsupportedMediaType,
)
from app.web.bodies import no_room
from app.web.methods import allowed_methods

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger(__name__)

_BY_STATUS: Mapping[int, type[Problem]] = {
    400: MalformedRequest,
    404: NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}


def problem_body(problem: Problem, *, public_url: str, request_id: str | None) -> dict[str, Any]:
    """The members of the problem as clients see them, in a response or in an `error` event."""
    kind = type(problem)
    body: dict[str, Any] = {
        "type": f"{public_url}/problems/{kind.slug()}",
        "title": kind.title(),
        "status": kind.status,
        "detail": problem.detail or kind.title(),
        "code": kind.code(),
        "request_id": request_id,
    }
    return body | problem.members


def problem_response(request: Request, problem: Problem) -> Response:
    """The problem as a response to this request."""
    settings = request.app.state.settings
    request_id = request.scope.get("state", {}).get("request_id")
    body = problem_body(problem, public_url=settings.public_url, request_id=request_id)
    return Response(
        orjson.dumps(body, default=str),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def send_problem(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answer with the problem from within a middleware."""
    await problem_response(Request(scope), problem)(scope, receive, send)


def from_validation(error: RequestValidationError) -> Problem:
    """What is wrong with a request, by place and never by value: values may be secrets."""
    errors = [_validation_item(item) for item in error.errors()]
    if any(item["detail"] == "JSON decode error" for item in errors):
        return MalformedRequest("The body is not valid JSON.")
    return InvalidRequest("; ".join(_sentence(item) for item in errors[:5]), errors=errors)


def _sentence(item: Mapping[str, str]) -> str:
    place = item.get("pointer") or item.get("parameter") or "the body"
    return f"{place}: {item['detail']}"


def _validation_item(item: Mapping[str, Any]) -> dict[str, str]:
    place, *path = (str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if place == "body":
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
        return {"pointer": _printable(pointer), "detail": message}
    return {"parameter": _printable(".".join(path)), "in": place, "detail": message}


def _printable(text: str) -> str:
    """A name that the client chose, safe to send back: no lone surrogates, not endless."""
    return text.encode("utf-8", "replace").decode()[:200]


def from_http(error: StarletteHTTPException) -> Problem:
    """Starlette's own failures under our names."""
    kind = _BY_STATUS.get(error.status_code, InvalidRequest)
    details = {
        404: "There is no such route; see /docs for those that exist.",
        405: "See the Allow header for the methods of this route.",
        413: "Send a smaller body.",
    }
    return kind(details.get(error.status_code, str(error.detail)), headers=error.headers)


def _while_reading(error: Exception) -> Problem | None:
    """What went wrong while FastAPI read a body, which wraps whatever is raised meanwhile."""
    if isinstance(error.__cause__, Problem):
        return error.__cause__
    if (problem := no_room(error.__cause__)) is not None:
        log.error("upload_not_put_aside", reason=str(error.__cause__))
    return problem


def install_problem_handlers(app: FastAPI) -> None:
    """Render our problems, FastAPI's, Starlette's and unforeseen failures alike."""

    async def on_problem(request: Request, error: Exception) -> Response:
        problem = cast("Problem", error)
        if problem.status >= 500:
            log.warning("request_failed", code=type(problem).code(), exc_info=problem.status == 500)
        return problem_response(request, problem)

    async def on_validation(request: Request, error: Exception) -> Response:
        return problem_response(request, from_validation(cast("RequestValidationError", error)))

    async def on_http(request: Request, error: Exception) -> Response:
        if (problem := _while_reading(error)) is not None:
            return problem_response(request, problem)
        answer = problem_response(request, from_http(cast("StarletteHTTPException", error)))
        if answer.status_code == 405:
            answer.headers["Allow"] = allowed_methods(request)
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": answer.headers["Allow"]})
        return answer

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(StarletteHTTPException, on_http)


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these problems, for the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = responses.setdefault(
            kind.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": REFERENCE, "examples": {}}}},
        )
        entry["description"] = f"{entry['description']} {kind.title()}".strip()
        entry["content"][MEDIA_TYPE]["examples"][kind.code()] = {
            "value": {
                "type": f"https://example.com/problems/{kind.slug()}",
                "title": kind.title(),
                "status": kind.status,
                "detail": kind.title(),
                "code": kind.code(),
                "request_id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
            }
        }
    return responses


REFERENCE = {"$ref": "#/components/schemas/Problem"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request failed (RFC 9457); some kinds have members of their own.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable; what programs compare."},
        "request_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "description": "Of a 422: each place that is wrong, never its value.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "In the body (RFC 6901)."},
                    "parameter": {"type": "string", "description": "Outside of the body."},
                    "in": {"type": "string", "enum": ["path", "query", "header", "cookie"]},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def merged(
    own: Mapping[int | str, dict[str, Any]], shared: Mapping[int | str, dict[str, Any]]
) -> dict[int | str, dict[str, Any]]:
    """A route's responses together with those of what it passes."""
    return {**own, **{status: both(own.get(status), entry) for status, entry in shared.items()}}


def both(own: dict[str, Any] | None, shared: dict[str, Any]) -> dict[str, Any]:
    """One status as a route and as what it passes may answer with it."""
    if own is None:
        return shared
    ((media, content),) = shared["content"].items()
    mine = own.get("content", {}).get(media)
    if mine is None:
        return own
    if mine["examples"].keys() >= content["examples"].keys():
        return own
    return {
        "description": f"{own['description']} {shared['description']}",
        "content": {media: content | {"examples": mine["examples"] | content["examples"]}},
    }
