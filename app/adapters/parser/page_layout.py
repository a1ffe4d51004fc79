"""Lines as they stand on pages into Markdown that flows: paragraphs, headings, lists."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

# PDFium's mark for a hyphen at the end of a line.
HYPHEN = "\ufffe"
HEADING_LEVELS = 3
MAX_HEADING_CHARS = 120
_HEADING_RATIO = 1.12
# Half of a usual gap between paragraphs, as a share of the usual distance of lines.
_PARAGRAPH_RATIO = 1.25
_REPEATED_SHARE = 0.6
_REPEATED_PAGES = 3
_NEIGHBOURS = 5
_ITEM = re.compile(r"^(?:[•▪●◦‣∙·–—*-]|(\d{1,2}[.)]|[a-z]\)))\s+(?=\S)")
_SENTENCE_END = re.compile(r"[.!?:;…][\"”»)\]]*$")
# Portuguese writes these with a hyphen of their own: "vendê-los", "trata-se".
_ENCLITIC = re.compile(
    rf"(?<=\w){HYPHEN}\s*(?=(?:l[oa]s?|n[oa]s?|[oa]s?|me|te|se|nos|vos|lhes?)\b)", re.IGNORECASE
)
_BROKEN_WORD = re.compile(rf"(?<=\w){HYPHEN}\s*(?=[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and where it stands, in points from the page's lower left corner.

    A word that was broken makes one line of two; `last_bottom` is where that one ends.
    """

    text: str
    left: float
    right: float
    bottom: float
    last_bottom: float
    size: float
    is_bold: bool
    # A row of a table, or its title: it is whole, whatever stands around it.
    table_kind: str = ""

    @classmethod
    def of_table(cls, text: str, is_row: bool) -> "Line":
        kind = "item" if is_row else "paragraph"
        return cls(text, 0.0, 0.0, 0.0, 0.0, 0.0, is_bold=False, table_kind=kind)


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    kind: str


def flowing(pages: Sequence[Sequence[Line]]) -> Iterator[str]:
    """Each page's text; joined they are the document, sentences that run over included."""
    kept = _without_running_titles(pages)
    levels = _heading_levels([line for page in kept for line in page if not line.table_kind])
    texts = [_page_text(page, levels) for page in kept]
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        if _runs_over(text, following):
            yield _BROKEN_WORD.sub("", text[:-1]) if text.endswith("-") else f"{text} "
        else:
            yield f"{text}\n\n"


def _runs_over(text: str, following: str) -> bool:
    last = text.rpartition("\n")[2]
    is_prose = last and not last.startswith("#") and not _SENTENCE_END.search(last)
    return bool(is_prose and following[:1].islower())


def _without_running_titles(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Without the first and last lines that most pages share, but for their numbers."""
    if len(pages) < _REPEATED_PAGES:
        return [list(page) for page in pages]
    counts = Counter(key for page in pages for key in {_title(page, at) for at in (0, -1)})
    least = max(_REPEATED_PAGES, _REPEATED_SHARE * sum(map(bool, pages)))
    repeated = {key for key, count in counts.items() if key and count >= least}

    def body(page: Sequence[Line]) -> list[Line]:
        rest = list(page)
        for at in (0, -1):
            while _title(rest, at) in repeated:
                rest.pop(at)
        return rest

    kept = [body(page) for page in pages]
    return kept if any(kept) else [list(page) for page in pages]


def _title(page: Sequence[Line], at: int) -> str:
    return re.sub(r"\d+", "0", page[at].text) if page else ""


def _heading_levels(lines: Sequence[Line]) -> dict[tuple[float, bool], int]:
    """What sizes and weights are headings, and of which level."""
    weights: Counter[tuple[float, bool]] = Counter()
    for line in lines:
        weights[line.size, line.is_bold] += len(line.text)
    if not weights:
        return {}
    body_size, body_is_bold = max(weights, key=weights.__getitem__)
    larger = sorted({size for size, _ in weights if size > body_size * _HEADING_RATIO})[::-1]
    levels = {
        (size, bold): min(place, HEADING_LEVELS)
        for place, size in enumerate(larger, 1)
        for bold in (True, False)
    }
    if not body_is_bold:
        for size, bold in weights:
            if bold and size >= body_size:
                levels.setdefault((size, True), min(len(larger) + 1, HEADING_LEVELS))
    return levels


def _page_text(lines: Sequence[Line], levels: dict[tuple[float, bool], int]) -> str:
    usual = _usual_distance(lines)
    paragraphs: list[list[Line]] = []
    for place, line in enumerate(lines):
        around = lines[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
        if paragraphs and _continues(paragraphs[-1][-1], line, around, usual=usual):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    return _joined([_block(paragraph, levels) for paragraph in paragraphs])


def _usual_distance(lines: Sequence[Line]) -> float:
    distances = [
        above.last_bottom - line.bottom
        for above, line in pairwise(lines)
        if abs(above.size - line.size) < 1 and above.last_bottom - line.bottom > line.size / 2
    ]
    return statistics.median_low(distances) if distances else 0.0


def _continues(above: Line, line: Line, around: Sequence[Line], *, usual: float) -> bool:
    """Whether a line goes on with the paragraph of the line above it."""
    if above.table_kind or line.table_kind:
        return False
    if abs(above.size - line.size) > 0.1 * line.size or above.is_bold != line.is_bold:
        return False
    if _ITEM.match(line.text):
        return False
    distance = above.last_bottom - line.bottom
    if distance <= 0:  # the top of another column, or a cell of the same row
        return line.text[:1].islower() and not _SENTENCE_END.search(above.text)
    if distance > usual * _PARAGRAPH_RATIO:
        return False
    # Where the next word would have fitted, the line was ended on purpose. Another column, beside
    # this one, says nothing of how wide it is.
    beside = (o.right for o in around if o.left < above.right and o.right > above.left)
    margin = max(beside, default=above.right)
    a_char = (line.right - line.left) / max(len(line.text), 1)
    next_word = a_char * (len(line.text.split(maxsplit=1)[0]) + 1)
    return above.right + next_word > margin - a_char


def _block(paragraph: Sequence[Line], levels: dict[tuple[float, bool], int]) -> _Block:
    text = paragraph[0].text
    for line in paragraph[1:]:
        if re.search(r"[^\W\d_]-$", text) and line.text[:1].islower():
            text = text[:-1] + HYPHEN
        text += f" {line.text}"
    text = _BROKEN_WORD.sub("", _ENCLITIC.sub("-", text)).replace(HYPHEN, "-")
    first = replace(paragraph[0], text=text)
    if first.table_kind:
        return _Block(f"- {text}" if first.table_kind == "item" else text, first.table_kind)
    item = _ITEM.match(text)
    level = levels.get((first.size, first.is_bold))
    is_short = len(text) <= MAX_HEADING_CHARS and not text.endswith((".", ";", ","))
    if level and is_short and (not item or item[1]):  # headings are numbered, not dotted
        return _Block(f"{'#' * level} {text}", "heading")
    if item:
        return _Block(f"{item[1] or '-'} {text[item.end() :]}", "item")
    return _Block(text, "paragraph")


def _joined(blocks: Sequence[_Block]) -> str:
    parts: list[str] = []
    for above, block in zip([None, *blocks], blocks, strict=False):
        if above:
            parts.append("\n" if above.kind == block.kind == "item" else "\n\n")
        parts.append(block.text)
    return "".join(parts)
