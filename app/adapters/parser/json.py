"""JSON, one value or one a line: keys as headings, lists of records as rows."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from app.adapters.parser.blocks import HEADING_LEVELS, Blocks
from app.adapters.parser.decoding import LIBRARIES, decode, looks_binary
from app.ports.parser import (
    DocumentEmpty,
    DocumentTooComplex,
    DocumentUnreadable,
    ParsedText,
    Parser,
)

EXTENSIONS = (".json", ".jsonl", ".ndjson")
_HEAD_BYTES = 1_000
# What is smaller is read whole to tell it from prose: `[1] Fulano ... [2]`.
_TRIED_BYTES = 64 * 1024
_OPENING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\d-])")
_ENDS = (b"}", b"]")
_MARKS = b"\xff\xfe\xef\xbb\xbf"
# What a beginning of it is made of; the last of its signs may be cut off.
_SIGNS = re.compile(
    rb"(?:[\s{}\[\],:]|\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)|[\d.eE+-]|true|false|null|NaN)*+"
    rb"[a-zA-Z]{0,4}\Z",
    re.DOTALL,
)


def _claims(content: bytes, name: str) -> bool:
    if looks_binary(content):
        return False
    tail = content[-_HEAD_BYTES:].replace(b"\x00", b"").rstrip()
    head = content[:_HEAD_BYTES].replace(b"\x00", b"")
    if name.lower().endswith(EXTENSIONS):
        return True
    is_likely = bool(_OPENING.match(head.lstrip(b"\xff\xfe"))) and tail.endswith(_ENDS)
    if len(content) > _TRIED_BYTES:
        return is_likely and bool(_SIGNS.match(head.lstrip(_MARKS)))
    return is_likely and _is_json(content.replace(b"\x00", b"").lstrip(_MARKS))


def _is_json(content: bytes) -> bool:
    try:
        # Its structure is ASCII, whatever its strings are.
        _value(content.decode("latin-1").strip())
    except DocumentTooComplex:
        return True
    except DocumentUnreadable:
        return False
    return True


def _parse(content: bytes) -> ParsedText:
    blocks = Blocks()
    try:
        _write(_value(decode(content).removeprefix("\ufeff").strip()), blocks, level=1)
    except RecursionError:
        raise _too_deep() from None
    if not blocks.text:
        raise DocumentEmpty
    return ParsedText((blocks.text,), is_markdown=True)


def _value(text: str) -> Any:
    try:
        return _read(text)
    except ValueError as error:
        first = text.partition("\n")[0].strip()
        if not first.endswith(_TEXT_ENDS) or first == text:
            raise _damaged(error) from None
    try:
        return [_read(line) for line in text.split("\n") if line.strip()]
    except ValueError as error:
        raise _damaged(error) from None


_TEXT_ENDS = ("}", "]")


def _read(text: str) -> Any:
    # Numbers stay as they are written: prices keep their cents, and a long one costs nothing.
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> DocumentTooComplex:
    return DocumentTooComplex(
        "Its values are nested too deeply: some hundred levels are read. Flatten it."
    )


def _damaged(error: ValueError) -> DocumentUnreadable:
    return DocumentUnreadable(f"It is not valid JSON: {error}."[:200])


def _write(value: Any, blocks: Blocks, *, level: int) -> None:
    if isinstance(value, dict):
        _write_object(cast("dict[str, Any]", value), blocks, level=level)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            blocks.item(" — ".join(_leaves(one, "")))
    else:
        blocks.paragraph(_shown(value))


def _write_object(value: dict[str, Any], blocks: Blocks, *, level: int) -> None:
    """Plain fields first, so that none stands under the heading of another."""
    for key, one in value.items():
        if not isinstance(one, dict | list) and _shown(one):
            blocks.item(f"{key}: {_shown(one)}")
    for key, one in value.items():
        if isinstance(one, dict | list) and one:
            blocks.heading(min(level, HEADING_LEVELS), key)
            _write(one, blocks, level=level + 1)


def _leaves(value: Any, path: str) -> Iterator[str]:
    """What a record holds, each with the way to it: `endereco.cidade: Recife`."""
    if isinstance(value, dict):
        for key, one in cast("dict[str, Any]", value).items():
            yield from _leaves(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _leaves(one, path)
    elif shown := _shown(value):
        yield f"{path}: {shown}" if path else shown


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value is not None else ""


PARSER = Parser("json", "application/json", EXTENSIONS, _claims, _parse, LIBRARIES)
