"""Versions as entity tags (RFC 9110, sections 8.8.3 and 13.1.1)."""

import re
from typing import Annotated

from fastapi import Header

from app.core.errors import MalformedRequest

LIST_PATTERN = r'^(\*|\s*(?:W/)?"[^"]*"(?:\s*,\s*(?:W/)?"[^"]*")*\s*)$'
_LIST = re.compile(LIST_PATTERN)
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
