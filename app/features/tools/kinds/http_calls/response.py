"""What an answer says: JSON or text of a kind and size that a model can use."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.core.redaction import redacted, redacted_start
from app.core.strict_json import JsonRefused, read_json
from app.features.tools.kinds.http_calls.selection import NothingSelected, Selection
from app.features.tools.kinds.kind import ToolFailed
from app.features.tools.results import clean, plain
from app.ports.fetch import Answered

SHOWN_CHARS = 1024
ERROR_CHARS = 500
MENDABLE = {400, 404, 409, 410, 422}
TEXT_TYPES = ("application/xml", "application/javascript", "application/x-ndjson")
# Reading a larger answer would hold up others.
INLINE_BYTES = 32_768


def shown(answer: Answered, private: Mapping[str, str]) -> dict[str, Any]:
    """The answer for the trace: its status, its headers, its first thousand characters."""
    headers = {
        name: "[hidden]" if name == "set-cookie" else value
        for name, value in answer.headers.items()
    }
    start = clean(redacted_start(answer.content, private, size=SHOWN_CHARS))
    size = len(answer.content)
    seen = {"status": answer.status, "headers": headers, "body_start": start, "bytes": size}
    return redacted(plain(seen), private)


async def read_answer(answer: Answered, selection: Selection, private: Mapping[str, str]) -> Any:
    """What the model is to get; a failure holds nothing of what is private.

    Raises:
        ToolFailed: the status is no success, the content cannot be read, or nothing is selected.
    """
    if not 200 <= answer.status < 300:
        text = clean(redacted_start(answer.content, private, size=ERROR_CHARS))
        detail = f"The server answered with {answer.status}" + (f": {text}" if text else ".")
        mendable = answer.status in MENDABLE
        raise ToolFailed(f"http_{answer.status}", detail, is_mendable=mendable)
    if not answer.content:
        return {"status": answer.status}
    if len(answer.content) <= INLINE_BYTES:
        return _read(answer, selection, private)
    return await asyncio.to_thread(_read, answer, selection, private)


def _read(answer: Answered, selection: Selection, private: Mapping[str, str]) -> Any:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("", "application/json") or kind.endswith("+json"):
        try:
            content = answer.content.removeprefix(b"\xef\xbb\xbf")
            return _selected(read_json(content, is_foreign=True), selection)
        except JsonRefused as refused:
            if kind:
                raise ToolFailed("invalid_json", f"The server's answer {refused}.") from None
    if kind.startswith("text/") or kind.endswith("+xml") or kind in ("", *TEXT_TYPES):
        if not selection.is_whole:
            raise ToolFailed("not_json", "The server's answer is no JSON to select from.")
        return _text(answer)
    # Its case is kept until it is masked, and it is masked before it is cut.
    named = redacted(answer.headers.get("content-type", ""), private)[:100]
    raise ToolFailed("unsupported_content_type", f"The server answered with {named}.")


def _selected(value: Any, selection: Selection) -> Any:
    try:
        return selection.of(value)
    except NothingSelected:
        raise ToolFailed("nothing_selected", "The answer has nothing at response_path.") from None


def _text(answer: Answered) -> str:
    _, _, charset = answer.headers.get("content-type", "").lower().partition("charset=")
    charset = charset.partition(";")[0].strip(" \"'")
    if charset in ("iso-8859-1", "latin-1", "windows-1252"):
        return clean(answer.content.decode(charset, "replace"))
    return clean(answer.content.decode("utf-8-sig", "replace"))
