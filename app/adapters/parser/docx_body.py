"""Word's own XML: the text that a reader sees, and which styles are headings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.adapters.parser.blocks import PAGE_BREAK, Blocks
from app.adapters.parser.tables import labelled

_HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
_OFF = ("0", "false", "off")
# Text that was moved or struck out, and what older programs are shown instead.
_UNSEEN = frozenset(("Fallback", "moveFrom", "del"))
_SIGNS = {"tab": " ", "br": " ", "cr": " ", "noBreakHyphen": "-", "ptab": " "}
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

    rows: list[list[str]] = field(default_factory=list[list[str]])
    cell: list[str] = field(default_factory=list[str])


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
        elif name in ("tbl", "tr", "tc"):
            self._begin_table(name)
        elif self._paragraphs:
            self._within(name, self._paragraphs[-1], attributes)

    def _begin_table(self, name: str) -> None:
        if name == "tbl":
            self._tables.append(Table())
        elif self._tables and name == "tr":
            self._tables[-1].rows.append([])

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
        elif name == "tc" and self._tables and self._tables[-1].rows:
            table = self._tables[-1]
            table.rows[-1].append(" ".join(table.cell))
            table.cell = []
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
            rows = (labelled((), row) for row in table.rows)
            self._tables[-1].cell.append("; ".join(row for row in rows if row))
        else:
            self._blocks.table(table.rows)
