"""JSON by RFC 8259 only, and only what a database and every client can hold."""

import json
import re
from typing import Any, cast

import orjson

MAX_DEPTH = 100
SMALLEST, LARGEST = -(2**63), 2**64 - 1
_LONG_NUMBER = re.compile(rb"[0-9]{19}")


class JsonRefused(Exception):
    """The text is not taken; the message goes on from `The body` or `The value`."""


class IntegerTooLarge(JsonRefused):
    """It is JSON, with an integer that does not fit into 64 bits."""


def read_json(text: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        IntegerTooLarge: an integer beyond 64 bits.
        JsonRefused: NaN, Infinity, a lone surrogate, NUL, more than `MAX_DEPTH` levels, no JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise JsonRefused(f"is not valid JSON: {error.msg[:100]}") from None
    if b"\\u0000" in text and _holds_nul(value):
        raise JsonRefused("holds the NUL character")
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise JsonRefused(f"is nested deeper than {MAX_DEPTH} levels")
    if _LONG_NUMBER.search(text):
        # orjson would turn a longer integer into a float and so change it without a word.
        json.loads(text, parse_int=_within_64_bits)
    return value


def _within_64_bits(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else None
    if number is None or not SMALLEST <= number <= LARGEST:
        raise IntegerTooLarge("holds an integer beyond 64 bits; send it as a string")
    return number


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
