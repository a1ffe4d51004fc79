"""OpenDocument text: headings, lists, tables and paragraphs; pages where the file tells them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.adapters.parser import archive, xml_reading
from app.adapters.parser.archive import Archive, mimetype_of
from app.adapters.parser.blocks import PAGE_BREAK, Blocks
from app.adapters.parser.grid import Grid, span
from app.adapters.parser.office import nothing_in
from app.adapters.parser.open_document import refuse_encrypted
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import ParsedText, Parser

EXTENSIONS = (".odt", ".ott")
CONTENT_TYPE = "application/vnd.oasis.opendocument.text"
_TYPES = (CONTENT_TYPE, f"{CONTENT_TYPE}-template")
# What was deleted, what is said beside the text, and what only programs read.
_UNSEEN = frozenset(("tracked-changes", "annotation", "forms", "sequence-decls", "ruby-text"))
_SHAPES = frozenset(("table-header-rows", "table-row", "table-cell"))
_SIGNS = {"s": " ", "tab": " ", "line-break": " ", "soft-page-break": PAGE_BREAK}


@dataclass
class _Paragraph:
    level: int = 0
    text: list[str] = field(default_factory=list[str])


@dataclass
class _Table:
    grid: Grid = field(default_factory=Grid)
    cell: list[str] = field(default_factory=list[str])
    across: int = 1
    down: int = 1
    repeated: int = 1
    in_titles: bool = False
    empty: int = 0

    def shape(self, name: str, attributes: Mapping[str, str]) -> None:
        """A row begins, or a cell; a covered one is where the one that spans it is already."""
        if name == "table-row":
            self.grid.begin_row(is_title=self.in_titles)
            self.empty = 0
        elif name == "table-cell":
            self.across = span(attributes.get("number-columns-spanned"))
            self.down = span(attributes.get("number-rows-spanned"))
            self.repeated = span(attributes.get("number-columns-repeated"))
        else:
            self.in_titles = True

    def end_cell(self) -> None:
        """The cell is whole. Empty ones count only where another follows."""
        text, self.cell = " ".join(self.cell), []
        if not text and self.repeated > 1:
            self.empty += self.repeated
            return
        for _ in range(self.empty):
            self.grid.cell("")
        for _ in range(self.repeated):
            self.grid.cell(text, across=self.across, down=self.down)
        self.empty = 0


class _Body:
    """Hears `content.xml` and writes what is seen."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[_Table] = []
        self._lists = 0
        self._unseen = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in _UNSEEN:
            self._unseen += 1
        elif name in ("p", "h"):
            level = attributes.get("outline-level", "1")[:2] if name == "h" else "0"
            self._paragraphs.append(_Paragraph(int(level) if level.isdecimal() else 1))
        elif name == "list":
            self._lists += 1
        elif name == "table":
            self._tables.append(_Table())
        elif name in _SHAPES and self._tables:
            self._tables[-1].shape(name, attributes)
        elif name in _SIGNS and not self._unseen:
            self._sign(_SIGNS[name])

    def _sign(self, sign: str) -> None:
        if self._paragraphs:
            self._paragraphs[-1].text.append(sign)
        elif sign == PAGE_BREAK and not self._tables:
            self._blocks.paragraph(sign)

    def end(self, name: str) -> None:
        if name in _UNSEEN:
            self._unseen -= 1
        elif name in ("p", "h") and self._paragraphs:
            self._close(self._paragraphs.pop())
        elif name == "list":
            self._lists -= 1
        elif name == "table" and self._tables:
            self._close_table(self._tables.pop())
        elif self._tables:
            self._within_table(name, self._tables[-1])

    def _within_table(self, name: str, table: _Table) -> None:
        if name == "table-cell":
            table.end_cell()
        elif name == "covered-table-cell":
            table.cell = []
        elif name == "table-header-rows":
            table.in_titles = False

    def data(self, text: str) -> None:
        if self._paragraphs and not self._unseen:
            self._paragraphs[-1].text.append(text)

    def _close(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.text)
        if self._tables:
            self._tables[-1].cell.append(text)
        elif paragraph.level:
            self._blocks.heading(paragraph.level, text)
        elif self._lists:
            self._blocks.item(text, depth=self._lists - 1)
        else:
            self._blocks.paragraph(text)

    def _close_table(self, table: _Table) -> None:
        if self._tables:
            self._tables[-1].cell.append(table.grid.in_a_line())
        else:
            self._blocks.table(*table.grid.finished())


def _claims(content: bytes, name: str) -> bool:
    return mimetype_of(content) in _TYPES


def _parse(content: bytes) -> ParsedText:
    parts = Archive(content)
    refuse_encrypted(parts)
    blocks = Blocks()
    with parts.open("content.xml") as source:
        read_xml(source, _Body(blocks))
    if not blocks.text.strip(PAGE_BREAK):
        raise nothing_in(parts, "Pictures/")
    return ParsedText(blocks.pages(), is_markdown=True, is_paged=PAGE_BREAK in blocks.text)


PARSER = Parser(
    "odt",
    CONTENT_TYPE,
    EXTENSIONS,
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES),
)
