"""Results as a model and an event may hold them: plain JSON of a bounded size."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import orjson

MAX_RESULT_BYTES = 32_768
MAX_DEPTH = 50
MAX_VALUES = 100_000


def plain(value: Any) -> Any:
    """The value as JSON can carry it.

    NaN and infinities become null, bytes and what is no JSON their name, lone surrogates and NUL
    the replacement character; what is too deep or too much is left out with a mark.
    """
    return _Plain().of(value, 0)


class _Plain:
    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            return "[left out: too much]"
        match value:
            case None | bool():
                return value
            case int():
                return value if -(2**63) <= value < 2**63 else clean(_digits(value))
            case float():
                return value if math.isfinite(value) else None
            case str():
                return clean(value)
            case Mapping():
                return self._mapping(cast("Mapping[Any, Any]", value), depth)
            case list() | tuple() | set() | frozenset():
                return self._list(cast("list[Any]", value), depth)
            case _:
                return _named(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, part in value.items():
            kept[clean(str(name))] = self.of(part, depth + 1)
            if self._left < 0:
                break
        return kept

    def _list(self, value: Any, depth: int) -> list[Any]:
        kept: list[Any] = []
        for part in value:
            kept.append(self.of(part, depth + 1))
            if self._left < 0:
                break
        return kept


def _digits(number: int) -> str:
    # Python refuses to write out very long integers.
    return str(number) if number.bit_length() < 10_000 else "[a number that is too long]"


def _named(value: object) -> str:
    match value:
        case bytes() | bytearray() | memoryview():
            return f"[binary, {len(cast('bytes', value))} bytes]"
        case Decimal() if value.is_finite():
            return str(value)
        case _:
            return f"[{type(value).__name__}]"


def clean(text: str) -> str:
    """The text without what UTF-8 or a database cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def bounded(value: Any) -> tuple[Any, str, bool]:
    """A plain value, its text for a model, and whether it was cut.

    What is larger than `MAX_RESULT_BYTES` becomes a text: its beginning, and a mark at the end.
    """
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    encoded = text.encode()
    if len(encoded) <= MAX_RESULT_BYTES:
        return value, text, False
    mark = f"\n[cut here: the whole result has {len(encoded)} bytes]"
    kept = encoded[: MAX_RESULT_BYTES - len(mark)].decode(errors="ignore") + mark
    return kept, kept, True
