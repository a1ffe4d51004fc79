"""Word's own XML: the text that a reader sees, and which styles are headings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.adapters.parser.blocks import PAGE_BREAK, Blocks
from app.adapters.parser.grid import Grid, span

_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
_OFF = ("0", "false", "off")
# Text that was moved or struck out, and what older programs are shown instead.
_UNSEEN = frozenset(("Fallback", "moveFrom", "del"))
_SIGNS = {"tab": " ", "br": " ", "cr": " ", "noBreakHyphen": "-", "ptab": " "}
_SHAPES = frozenset(("gridBefore", "tblHeader", "gridSpan", "vMerge"))
_BASES = 10


@dataclass
class Style:
    """A named style, as far as it tells a heading or an item of a list."""

    level: int | None = None
    base: str = ""
    is_item: bool = False


class Styles:
    """Hears `styles.xml`."""

    def __init__(self) -> None:
        self._styles: dict[str, Style] = {}
        self._style = Style()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        value = attributes.get("val", "")
        if name == "style":
            self._style = self._styles[attributes.get("styleId", "")] = Style()
        elif name == "name":
            heading = _HEADING_NAME.fullmatch(value)
            if heading or value.lower() == "title":
                self._style.level = int(heading[1]) if heading else 1
        elif name == "numPr":
            self._style.is_item = True
        elif name == "basedOn":
            self._style.base = value
        elif name == "outlineLvl" and self._style.level is None:
            self._style.level = outline_level(value)

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass

    def items(self) -> frozenset[str]:
        """The ids of those styles that are lists."""
        return frozenset(key for key, style in self._styles.items() if style.is_item)

    def levels(self) -> dict[str, int]:
        """The levels of those styles that are headings, by their ids."""
        found: dict[str, int] = {}
        for key, style in self._styles.items():
            for _ in range(_BASES):
                if style.level is not None or style.base not in self._styles:
                    break
                style = self._styles[style.base]
            if style.level:
                found[key] = style.level
        return found


def outline_level(value: str) -> int:
    """1 to 9; 0 is body text."""
    return int(value) + 1 if value in tuple("012345678") else 0


@dataclass
class Paragraph:
    """A paragraph while its runs are read."""

    text: list[str] = field(default_factory=list[str])
    level: int = 0
    depth: int | None = None


@dataclass
class Table:
    """A table while its rows are read."""

    grid: Grid = field(default_factory=Grid)
    cell: list[str] = field(default_factory=list[str])
    across: int = 1
    is_continued: bool = False

    def shape(self, name: str, value: str) -> None:
        """What the file says of the row or of the cell before its text."""
        if name == "gridBefore":
            self.grid.cell("", across=span(value))
        elif name == "tblHeader" and value not in _OFF:
            self.grid.mark_title()
        elif name == "gridSpan":
            self.across = span(value)
        elif name == "vMerge":
            self.is_continued = value != "restart"

    def end_cell(self) -> None:
        """The cell is whole."""
        if self.is_continued:
            self.grid.continued(across=self.across)
        else:
            self.grid.cell(" ".join(self.cell), across=self.across)
        self.cell, self.across, self.is_continued = [], 1, False


class Body:
    """Hears `document.xml` and writes what is seen."""

    def __init__(self, blocks: Blocks, styles: Styles) -> None:
        self._blocks = blocks
        self._levels, self._items = styles.levels(), styles.items()
        self._paragraphs: list[Paragraph] = []
        self._tables: list[Table] = []
        self._unseen = 0
        self._in_run = self._in_text = self._is_hidden = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in _UNSEEN:
            self._unseen += 1
        elif name == "p":
            self._paragraphs.append(Paragraph())
        elif name == "tbl":
            self._tables.append(Table())
        elif name == "tr" and self._tables:
            self._tables[-1].grid.begin_row()
        elif name in _SHAPES and self._tables:
            self._tables[-1].shape(name, attributes.get("val", ""))
        elif self._paragraphs:
            self._within(name, self._paragraphs[-1], attributes)

    def _within(self, name: str, paragraph: Paragraph, attributes: Mapping[str, str]) -> None:
        value = attributes.get("val", "")
        if name == "r":
            self._in_run, self._is_hidden = True, False
        elif name == "t":
            self._in_text = True
        elif name == "lastRenderedPageBreak":
            paragraph.text.append(PAGE_BREAK)
        elif name in _SIGNS and self._in_run:
            paragraph.text.append(_SIGNS[name])
        elif name == "vanish" and self._in_run:
            self._is_hidden = value not in _OFF
        else:
            self._style(name, paragraph, value)

    def _style(self, name: str, paragraph: Paragraph, value: str) -> None:
        if name == "pStyle":
            paragraph.level = self._levels.get(value, 0)
            paragraph.depth = 0 if value in self._items else None
        elif name == "outlineLvl":
            paragraph.level = outline_level(value)
        elif name == "numPr":
            paragraph.depth = paragraph.depth or 0
        elif name == "ilvl" and value.isdecimal():
            paragraph.depth = min(int(value[:2]), 9)

    def end(self, name: str) -> None:
        if name in _UNSEEN:
            self._unseen -= 1
        elif name == "t":
            self._in_text = False
        elif name == "r":
            self._in_run = self._is_hidden = False
        elif name == "p" and self._paragraphs:
            self._close(self._paragraphs.pop())
        elif name == "tc" and self._tables:
            self._tables[-1].end_cell()
        elif name == "tbl" and self._tables:
            self._close_table(self._tables.pop())

    def data(self, text: str) -> None:
        if self._in_text and not self._unseen and not self._is_hidden and self._paragraphs:
            self._paragraphs[-1].text.append(text)

    def _close(self, paragraph: Paragraph) -> None:
        text = "".join(paragraph.text)
        if self._tables:
            self._tables[-1].cell.append(text)
        elif paragraph.level:
            self._blocks.heading(paragraph.level, text)
        elif paragraph.depth is not None:
            self._blocks.item(text, depth=paragraph.depth)
        else:
            self._blocks.paragraph(text)

    def _close_table(self, table: Table) -> None:
        if self._tables:
            self._tables[-1].cell.append(table.grid.in_a_line())
        else:
            self._blocks.table(*table.grid.finished())
