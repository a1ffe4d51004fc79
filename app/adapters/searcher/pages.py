"""What engines found, as plain and bounded text with an address that may be followed."""

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

from app.ports.searcher import Found, SearchFailed

MAX_TITLE = 300
MAX_SNIPPET = 1000
MAX_URL = 2048
# Longer than anything that is kept: what lies beyond is not even looked at.
_LOOKED_AT = 8000
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_URL = re.compile(r"https?://[^\s/?#@\\]+([/?#]\S*)?", re.IGNORECASE)
# Control, format (among them the invisible tags that hide instructions), private and unassigned.
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn")


def pages(
    rows: object, *, title: str, url: str, snippet: str, max_results: int
) -> tuple[Found, ...]:
    """The first pages of a list of records, by the names of their fields; each page once.

    Records without an address that could be followed are passed over.

    Raises:
        SearchFailed: it is no list; an engine that changed its answers is not without results.
    """
    if not isinstance(rows, list):
        raise SearchFailed("The search engine's answer holds no list of results.")
    found: dict[str, Found] = {}
    for row in _records(cast("list[Any]", rows)):
        address = followable(row.get(url))
        if address is not None and address not in found and len(found) < max_results:
            name = plain(row.get(title), MAX_TITLE) or address[:MAX_TITLE]
            found[address] = Found(name, address, plain(row.get(snippet), MAX_SNIPPET))
    return tuple(found.values())


def _records(rows: list[Any]) -> Iterable[dict[str, Any]]:
    return (cast("dict[str, Any]", row) for row in rows if isinstance(row, dict))


def plain(text: object, limit: int) -> str:
    """A text without tags, entities and unseen characters, on one line, cut at a limit."""
    if not isinstance(text, str):
        return ""
    # Twice: what engines quote from pages is often escaped already.
    for _ in range(2):
        text = _TAG.sub("", html.unescape(text[:_LOOKED_AT]))
    seen = "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or unicodedata.category(char) not in _UNSEEN
    )
    line = " ".join(seen.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def followable(url: object) -> str | None:
    """The address if a visitor could follow it: http or https, without a user name; else None."""
    if not isinstance(url, str) or len(url) > MAX_URL:
        return None
    address = url.strip()
    return address if address.isprintable() and _URL.fullmatch(address) else None
