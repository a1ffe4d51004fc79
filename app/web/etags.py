"""Entity tags: of versions, and of what has none (RFC 9110, sections 8.8.3 and 13.1)."""

import hashlib
import re
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from app.core.errors import MalformedRequest, PreconditionFailed

LIST_PATTERN = r'^(\*|\s*(?:W/)?"[^"]*"(?:\s*,\s*(?:W/)?"[^"]*")*\s*)$'
_LIST = re.compile(LIST_PATTERN)
_OPAQUE = re.compile(r'"[^"]*"')
_STRONG = re.compile(r'(?<!W/)"([0-9]{1,9})"')

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        examples=['"3"'],
        json_schema_extra={"pattern": LIST_PATTERN},
        description='Change it only if it still has this version, e.g. `"3"`; else 412.',
    ),
]

# What a route may answer that reads one resource.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It is still what `If-None-Match` names; there is no body."}
}


class NoVersionToMatch(PreconditionFailed):
    """This resource has no version that `If-Match` could name."""


async def if_none_match(
    tags: Annotated[  # pyright: ignore[reportUnusedParameter]
        str | None,
        Header(
            alias="if-none-match",
            examples=['"3"'],
            description="The `ETag` of what you have: 304, without a body, while that is the same.",
        ),
    ] = None,
) -> None:
    """Into the document; it is answered once there is a response."""


TAKES_IF_NONE_MATCH = Depends(if_none_match)


def conditional(request: Request, response: Response) -> Response:
    """The response with an entity tag; 304 where the client has just that.

    A resource without a version gets a weak tag, of its content: good for reading it again, and no
    promise that a change could be bound to.
    """
    if response.status_code != 200:
        return response
    tag = response.headers.get("etag")
    if tag is None:
        tag = f'W/"{hashlib.sha256(response.body).hexdigest()[:32]}"'
        response.headers["ETag"] = tag
    response.headers.setdefault("Cache-Control", "private, no-cache")
    given = ", ".join(request.headers.getlist("if-none-match"))
    if given.strip() != "*" and tag.removeprefix("W/") not in _OPAQUE.findall(given):
        return response
    kept = {name: response.headers[name] for name in ("etag", "cache-control")}
    return Response(status_code=304, headers=kept)


def refuse_unmatchable(request: Request) -> None:
    """Go on, unless a change is bound to a version where there are none.

    Raises:
        NoVersionToMatch: a weak tag never matches (RFC 9110, 13.1.1), and there is no other.
    """
    given = ", ".join(request.headers.getlist("if-match")).strip()
    if given not in ("", "*"):
        raise NoVersionToMatch("Leave If-Match out: there is no version here that it could name.")


def etag(version: int) -> dict[str, str]:
    """The header that tells a resource's version."""
    return {"ETag": f'"{version}"'}


def expected_versions(if_match: str | None) -> list[int] | None:
    """The versions that `If-Match` allows; None where any will do. Weak tags never match.

    Raises:
        MalformedRequest: the header is no list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    if not _LIST.fullmatch(if_match):
        raise MalformedRequest('If-Match takes quoted versions, e.g. `If-Match: "3"`.')
    return [int(version) for version in _STRONG.findall(if_match)]
