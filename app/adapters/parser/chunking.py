"""Texts into chunks along their structure, with sizes in tokens; no chunk crosses a page."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

from app.ports.parser import SECTION_MARK, Cut, DocumentTooComplex, ParsedText, TextChunk

LIBRARIES = ("semantic_text_splitter",)
# Near enough for a size in any vocabulary of today, and cutting by characters is three to twenty
# times as fast as counting real tokens.
CHARS_PER_TOKEN = 4
MAX_CHUNKS = 100_000
# The splitter's time grows with the square of what it is given at once: four megabytes in one take
# fifty times as long as in portions of this size.
PORTION_CHARS = 64_000
MAX_HEADING_CHARS = 300
_HEADING = re.compile(r"^(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_PARAGRAPH_END = re.compile(r"\n\s*$")
_SENTENCE_END = re.compile(r"[.!?:;][\"”»)\]]*\s|\n")


def cut(parsed: ParsedText, sizes: Cut) -> Iterator[TextChunk]:
    """Chunks of up to `sizes.size` tokens in order.

    Raises:
        DocumentTooComplex: there would be too many.
    """
    text = "".join(parsed.pages)
    headings = list(_headings(text)) if parsed.is_markdown else []
    outline = _Outline(headings)
    page_starts = [0, *accumulate(map(len, parsed.pages))][: len(parsed.pages)]
    pieces = _pieces(parsed, text, page_starts, [place for place, _, _ in headings], sizes)
    page = 0
    for ordinal, (start, content) in enumerate(pieces):
        if ordinal == MAX_CHUNKS:
            raise DocumentTooComplex(
                f"It would be cut into more than {MAX_CHUNKS:,} chunks."
                " Split it, or choose a larger `size`."
            )
        while page + 1 < len(page_starts) and page_starts[page + 1] <= start:
            page += 1
        yield TextChunk(
            ordinal=ordinal,
            content=content,
            heading=outline.sections_of(start, content),
            char_start=start,
            char_end=start + len(content),
            token_count=max(1, round(len(content) / CHARS_PER_TOKEN)),
            page=page + 1 if parsed.is_paged else None,
        )


def _pieces(
    parsed: ParsedText, text: str, page_starts: list[int], headings: list[int], sizes: Cut
) -> Iterator[tuple[int, str]]:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    kind = MarkdownSplitter if parsed.is_markdown else TextSplitter
    splitter = kind(sizes.size * CHARS_PER_TOKEN, overlap=sizes.overlap * CHARS_PER_TOKEN)
    borders = [0, *(_border(text, start) for start in page_starts[1:]), len(text)]
    for section in pairwise(borders):
        for start, end in _portions(text, *section, headings):
            for offset, content in splitter.chunk_indices(text[start:end]):
                yield start + offset, content


def _portions(text: str, start: int, end: int, headings: list[int]) -> Iterator[tuple[int, int]]:
    """A section in parts that end before a heading, a paragraph, a line or at least a word."""
    while end - start > PORTION_CHARS:
        least, most = start + PORTION_CHARS // 2, start + PORTION_CHARS
        last = bisect_right(headings, most) - 1
        border = headings[last] if last >= 0 else 0
        for mark in ("\n\n", "\n", " "):
            if border <= least:
                border = text.rfind(mark, least, most) + 1
        border = border if border > least else most
        yield start, border
        start = border
    yield start, end


def _border(text: str, page_start: int) -> int:
    """Where the chunks of a page begin: after a sentence that runs over from the page before."""
    if _PARAGRAPH_END.search(text, max(0, page_start - 3), page_start):
        return page_start
    end = _SENTENCE_END.search(text, page_start, page_start + MAX_HEADING_CHARS)
    return end.end() if end else page_start


class _Outline:
    """The headings of a text, asked for places that only move forward."""

    def __init__(self, headings: list[tuple[int, int, str]]) -> None:
        self._headings = headings
        self._starts = [place for place, _, _ in headings]
        self._passed = 0
        self._path: list[tuple[int, str]] = []

    def sections_of(self, start: int, content: str) -> str:
        """What a chunk stands under, outermost first, and what begins in it: `Loja > A · B`."""
        opening = start
        if content.startswith("#"):
            opening += len(content) - len(content.lstrip("# "))
        last = bisect_right(self._starts, opening)
        for _, level, words in self._headings[self._passed : last]:
            self._path = [entry for entry in self._path if entry[0] < level] + [(level, words)]
        self._passed = last
        # Pieces may overlap, so what begins in this one is looked at again by the next.
        end = bisect_right(self._starts, start + len(content) - 1)
        path = " > ".join(words for _, words in self._path)
        sections = [path, *(words for _, _, words in self._headings[last:end])]
        return SECTION_MARK.join(dict.fromkeys(filter(None, sections)))[:MAX_HEADING_CHARS]


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Place, level and words of every heading; a `#` within a code block is none."""
    fences = (match.span() for match in _FENCE.finditer(text))
    fence = next(fences, None)
    for match in _HEADING.finditer(text):
        while fence and fence[1] <= match.start():
            fence = next(fences, None)
        if fence is None or match.start() < fence[0]:
            words = match[2][:MAX_HEADING_CHARS].rstrip().rstrip("#").rstrip()
            yield match.start(), len(match[1]), words
