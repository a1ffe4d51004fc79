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


def read_json(text: bytes, *, is_foreign: bool = False) -> Any:
    """The value of a JSON text in UTF-8; of a foreign one, the last of two values of one name.

    Raises:
        IntegerTooLarge: an integer beyond 64 bits.
        JsonRefused: NaN, Infinity, a lone surrogate, NUL, a name twice in one object, more than
            `MAX_DEPTH` levels, no JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise JsonRefused(f"is not valid JSON: {error.msg[:100]}") from None
    if b"\\u0000" in text and _holds_nul(value):
        raise JsonRefused("holds the NUL character")
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise JsonRefused(f"is nested deeper than {MAX_DEPTH} levels")
    # orjson would turn a longer integer into a float, and keep the last of two values of one name:
    # both would change without a word, and whoever checked the text before may have read the other.
    is_long = _LONG_NUMBER.search(text) is not None
    if is_long or not is_foreign:
        json.loads(
            text,
            parse_int=_within_64_bits if is_long else None,
            object_pairs_hook=None if is_foreign else _each_once,
        )
    return value


def _each_once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise JsonRefused("holds an object with the same name twice")


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
