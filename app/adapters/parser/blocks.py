"""Headings, items, paragraphs and rows as they come, written as Markdown with its pages."""

from collections.abc import Iterable, Sequence

from app.adapters.parser.tables import table_lines

# No XML and no cleaned text can hold it, and splitting at white space leaves it where it is.
PAGE_BREAK = "\x00"
HEADING_LEVELS = 6
_MAX_INDENT = 6


class Blocks:
    """A document while it is written."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._breaks = ""
        self._last_was_item = False

    def heading(self, level: int, text: str) -> None:
        self._put(text, prefix="#" * max(1, min(level, HEADING_LEVELS)) + " ")

    def item(self, text: str, *, depth: int = 0) -> None:
        self._put(text, prefix="  " * min(depth, _MAX_INDENT) + "- ", is_item=True)

    def paragraph(self, text: str) -> None:
        self._put(text)

    def table(self, rows: Iterable[Sequence[str]], titles: int = 0) -> None:
        """Each row as an item, its cells with the names of their columns."""
        self._last_was_item = False
        for line, is_row in table_lines(rows, titles=titles):
            if is_row:
                self.item(line)
            else:
                self.paragraph(line)

    @property
    def text(self) -> str:
        """All of it, with the breaks."""
        return "".join(self._parts)

    def pages(self) -> tuple[str, ...]:
        """All of it, cut at the breaks."""
        return tuple(self.text.split(PAGE_BREAK))

    def _put(self, text: str, *, prefix: str = "", is_item: bool = False) -> None:
        """A break within a paragraph stays there; elsewhere it moves to where the block begins."""
        text = " ".join(text.split())
        bare = text.lstrip(PAGE_BREAK + " ") if not prefix else text.replace(PAGE_BREAK, "").strip()
        self._breaks += PAGE_BREAK * (text.count(PAGE_BREAK) - bare.count(PAGE_BREAK))
        if not bare:
            return
        if self._parts:
            self._parts.append("\n" if is_item and self._last_was_item else "\n\n")
        self._parts += (self._breaks, prefix, bare)
        self._breaks = ""
        self._last_was_item = is_item
