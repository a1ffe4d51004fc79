"""Texts into chunks along their structure, with sizes in tokens."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from app.core.ids import new_id
from app.ports.parser import ParsedText

# Any model's tokens are near enough for a size; this vocabulary comes with the splitter.
TOKENS_OF = "gpt-4o"
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
MAX_HEADING_CHARS = 300


@dataclass(frozen=True, slots=True)
class TextChunk:
    """One piece of a document, and where in its text it stands."""

    ordinal: int
    content: str
    heading: str
    char_start: int
    char_end: int
    token_count: int
    page: int | None = None

    def row(self) -> dict[str, Any]:
        """The chunk as the database takes it, with an id."""
        return asdict(self) | {"id": new_id()}


@lru_cache(maxsize=64)
def _splitter(is_markdown: bool, size: int, overlap: int) -> MarkdownSplitter | TextSplitter:
    kind = MarkdownSplitter if is_markdown else TextSplitter
    return kind.from_tiktoken_model(TOKENS_OF, size, overlap=overlap)


def cut(parsed: ParsedText, *, size: int, overlap: int) -> Iterator[TextChunk]:
    """Chunks of up to `size` tokens in order; blocks, so call it off the event loop."""
    splitter = _splitter(parsed.is_markdown, size, overlap)
    headings = _headings(parsed.text) if parsed.is_markdown else []
    for ordinal, (start, content) in enumerate(splitter.chunk_indices(parsed.text)):
        yield TextChunk(
            ordinal=ordinal,
            content=content,
            heading=_path_at(headings, start, content),
            char_start=start,
            char_end=start + len(content),
            token_count=max(1, round(len(content) / 4)),
        )


def _headings(text: str) -> list[tuple[int, int, str]]:
    """Place, level and words of every heading; a `#` within a code block is none."""
    fences = [match.span() for match in _FENCE.finditer(text)]
    return [
        (match.start(), len(match[1]), match[2])
        for match in _HEADING.finditer(text)
        if not any(start <= match.start() < end for start, end in fences)
    ]


def _path_at(headings: list[tuple[int, int, str]], start: int, content: str) -> str:
    """The headings that a chunk stands under, outermost first: `Trocas > Prazo`."""
    path: list[tuple[int, str]] = []
    opening = start + (len(content) - len(content.lstrip("# ")) if content.startswith("#") else 0)
    for place, level, words in headings:
        if place > opening:
            break
        path = [entry for entry in path if entry[0] < level] + [(level, words)]
    return " > ".join(words for _, words in path)[:MAX_HEADING_CHARS]
