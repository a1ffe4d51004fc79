"""Texts and structures with `{placeholders}`, filled so that a value never leaves its place."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import orjson

# `{name}` is an argument of the call, `{secrets.name}` a secret of the tool. Other braces are text.
PLACEHOLDER = re.compile(r"\{(secrets\.)?([a-zA-Z_][a-zA-Z0-9_]{0,63})\}")
MAX_DEPTH = 20
Encode = Callable[[str], str]


class ArgumentMissing(Exception):
    """A placeholder in a text has no argument."""


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text of a structure, the names of its fields too.

    Raises:
        ValueError: it is nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in cast("dict[str, Any]", value).items():
            yield name
            yield from texts_in(part, depth + 1)
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from texts_in(part, depth + 1)


def check_field_names(value: Any) -> None:
    """See that only values hold placeholders: what a field is called is fixed.

    Raises:
        ValueError: naming the field.
    """
    if isinstance(value, dict):
        for name, part in cast("dict[str, Any]", value).items():
            if PLACEHOLDER.search(name):
                raise ValueError(f"has a placeholder in the name of a field: {name[:80]}")
            check_field_names(part)
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            check_field_names(part)


def names_of(*texts: str, secrets: bool = False) -> list[str]:
    """The placeholders of the texts, each once, in order."""
    found = (match for text in texts for match in PLACEHOLDER.finditer(text))
    return list(dict.fromkeys(match[2] for match in found if bool(match[1]) == secrets))


def as_text(value: Any) -> str:
    """An argument as it stands in a text: numbers and booleans as in JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class Filling:
    """The values that placeholders stand for; an argument that is null is as good as missing."""

    def __init__(self, arguments: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._arguments = {name: v for name, v in arguments.items() if v is not None}
        self._secrets = secrets

    def text(self, template: str, encode: Encode) -> str:
        """The text with each value encoded for its place.

        Raises:
            ArgumentMissing: a placeholder has no value.
        """

        def value_of(match: re.Match[str]) -> str:
            return encode(as_text(self._value(match)))

        return PLACEHOLDER.sub(value_of, template)

    def structure(self, template: Any) -> Any:
        """The structure with its texts filled.

        A text that is one placeholder takes the value as it is, number, list or object. A field
        or item whose value is missing is left out.
        """
        match template:
            case str():
                return self._typed(template)
            case dict():
                entries = cast("dict[str, Any]", template)
                return dict(self._fields(entries))
            case list():
                return list(self._items(cast("list[Any]", template)))
            case _:
                return template

    def whole(self, template: Any) -> Any:
        """The structure with its texts filled; None where it is a placeholder without a value."""
        try:
            return self.structure(template)
        except ArgumentMissing:
            return None

    def _fields(self, entries: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, part in entries.items():
            try:
                yield name, self.structure(part)
            except ArgumentMissing:
                continue

    def _items(self, parts: list[Any]) -> Iterator[Any]:
        for part in parts:
            try:
                yield self.structure(part)
            except ArgumentMissing:
                continue

    def _typed(self, template: str) -> Any:
        whole = PLACEHOLDER.fullmatch(template)
        return self._value(whole) if whole else self.text(template, lambda text: text)

    def _value(self, match: re.Match[str]) -> Any:
        source = self._secrets if match[1] else self._arguments
        if match[2] not in source:
            raise ArgumentMissing(match[2])
        return source[match[2]]


def parameters_for(required: list[str], optional: list[str]) -> dict[str, Any]:
    """The JSON Schema of arguments for these placeholders."""
    names = dict.fromkeys([*required, *optional])
    return {
        "type": "object",
        "properties": {name: {"type": "string", "maxLength": 4000} for name in names},
        "required": list(dict.fromkeys(required)),
        "additionalProperties": False,
    }
