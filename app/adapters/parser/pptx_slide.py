"""One slide, or the notes to one: its shapes with their paragraphs and tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.adapters.parser.blocks import Blocks
from app.adapters.parser.grid import Grid, span

_TITLES = ("title", "ctrTitle")
# What stands on every slide: its number, the date, the company's name.
_RUNNING = ("sldNum", "dt", "ftr", "hdr", "sldImg")


@dataclass
class Shape:
    """A shape while it is read: its paragraphs with their depths, or the rows of its table."""

    kind: str = ""
    paragraphs: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    table: Grid | None = None
    is_hidden: bool = False


class Slide:
    """Hears a slide."""

    def __init__(self) -> None:
        self._shapes: list[Shape] = []
        self._text: list[str] = []
        self._cell: list[str] = []
        # How far the cell spans, across and down; nothing for one that another spans.
        self._span: tuple[int, int] | None = None
        self._depth = 0
        self._in_text = self._is_hidden = self._in_fallback = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sld":
            self._is_hidden = attributes.get("show") in ("0", "false")
        elif name in ("sp", "graphicFrame"):
            self._shapes.append(Shape())
        elif name == "Fallback":
            self._in_fallback = True
        elif name == "t":
            self._in_text = True
        elif name == "br":
            self._text.append(" ")
        elif self._shapes:
            self._within(name, self._shapes[-1], attributes)

    def _within(self, name: str, shape: Shape, attributes: Mapping[str, str]) -> None:
        if name == "ph":
            shape.kind = attributes.get("type", "body")
        elif name == "cNvPr" and attributes.get("hidden") in ("1", "true"):
            shape.is_hidden = True
        elif name == "p":
            self._text, self._depth = [], 0
        elif name == "pPr" and attributes.get("lvl", "").isdecimal():
            self._depth = int(attributes["lvl"][:2])
        elif name == "tbl":
            shape.table = Grid()
        elif shape.table:
            self._within_table(name, shape.table, attributes)

    def _within_table(self, name: str, table: Grid, attributes: Mapping[str, str]) -> None:
        if name == "tr":
            table.begin_row()
        elif name == "tc":
            is_covered = {attributes.get("hMerge"), attributes.get("vMerge")} & {"1", "true"}
            spans = span(attributes.get("gridSpan")), span(attributes.get("rowSpan"))
            self._cell, self._span = [], None if is_covered else spans

    def end(self, name: str) -> None:
        if name == "t":
            self._in_text = False
        elif name == "Fallback":
            self._in_fallback = False
        elif not self._shapes:
            return
        elif name == "p":
            self._close("".join(self._text).strip(), self._shapes[-1])
        elif name == "tc" and self._span and (table := self._shapes[-1].table):
            table.cell(" ".join(self._cell), across=self._span[0], down=self._span[1])

    def data(self, text: str) -> None:
        if self._in_text and not self._in_fallback:
            self._text.append(text)

    def _close(self, text: str, shape: Shape) -> None:
        self._text = []
        if shape.table:
            self._cell.append(text)
        elif text:
            shape.paragraphs.append((self._depth, text))

    @property
    def _seen(self) -> list[Shape]:
        return [one for one in self._shapes if not one.is_hidden and one.kind not in _RUNNING]

    def noted(self) -> list[str]:
        """The paragraphs of speaker's notes."""
        return [text for one in self._seen if one.kind == "body" for _, text in one.paragraphs]

    def written(self, notes: Iterable[str]) -> str:
        """The whole slide, its title first."""
        blocks = Blocks()
        if self._is_hidden:
            return ""
        for shape in self._seen:
            if shape.kind in _TITLES:
                blocks.heading(1, " ".join(text for _, text in shape.paragraphs))
        for shape in self._seen:
            if shape.kind not in _TITLES:
                _write(shape, blocks)
        for note in notes:
            blocks.paragraph(note)
        return blocks.text


def _write(shape: Shape, blocks: Blocks) -> None:
    is_list = len(shape.paragraphs) > 1
    for depth, text in shape.paragraphs:
        if is_list:
            blocks.item(text, depth=depth)
        else:
            blocks.paragraph(text)
    if shape.table:
        blocks.table(*shape.table.finished())
