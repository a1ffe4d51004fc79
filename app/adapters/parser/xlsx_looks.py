"""How cells of Excel's files show their numbers: by the formats that their styles name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import IO

from app.adapters.parser.archive import Archive
from app.adapters.parser.cell_looks import NO_LOOKS, Looks, LooksOf, LooksOfRows, no_looks, pieces
from app.adapters.parser.number_formats import Look, look_of
from app.adapters.parser.office import Relations, main_part, relations_of
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import DocumentTooComplex, DocumentUnreadable

# Excel knows 65,490 styles of cells, and some 250 codes beside its own, each of which takes time.
MAX_STYLES = 70_000
MAX_CODES = 5_000
# All else in the file counts too: it takes time to pass over.
MAX_ELEMENTS = 700_000
# Formats that a file need not spell out. Excel in other languages than English spells out those
# with a currency, as theirs is another.
_BUILT_IN = {
    **dict.fromkeys(("5", "6"), '"$"#,##0'),
    **dict.fromkeys(("7", "8"), '"$"#,##0.00'),
    "9": "0%",
    "10": "0.00%",
    "42": '"$"* #,##0',
    "44": '"$"* #,##0.00',
}
# Place and style are where programs put them; what puts them elsewhere is searched for them.
_TAG = re.compile(
    rb"<(?:[\w.-]+:)?(row|c)(?=[\s/>])"
    rb"""(?: r="([A-Z]{1,3})([0-9]{1,7})")?(?: s="([0-9]{1,6})")?([^<>]*)>"""
)
_ROW = re.compile(rb"""\sr=["']([0-9]{1,7})["']""")
_PLACE = re.compile(rb"""\sr=["']([A-Za-z]{1,3})([0-9]{1,7})["']""")
_STYLE = re.compile(rb"""\ss=["']([0-9]{1,6})["']""")


class _Styles:
    """Hears `styles.xml`: the formats' codes, and the format of each style of cells."""

    def __init__(self) -> None:
        self.codes = dict(_BUILT_IN)
        self.formats: list[str] = []
        # Both names occur elsewhere too, where they say nothing about cells.
        self._within = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self.codes) > MAX_CODES or len(self.formats) > MAX_STYLES:
            raise DocumentTooComplex
        if name in ("numFmts", "cellXfs"):
            self._within = name
        elif (self._within, name) == ("numFmts", "numFmt"):
            self.codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif (self._within, name) == ("cellXfs", "xf"):
            self.formats.append(attributes.get("numFmtId", ""))

    def end(self, name: str) -> None:
        if name == self._within:
            self._within = ""

    def data(self, text: str) -> None:
        pass

    def looks(self) -> list[Look | None]:
        """By the number of the style."""
        looks = {number: look_of(self.codes.get(number, "")) for number in set(self.formats)}
        return [looks[number] for number in self.formats]


class _Book:
    """Hears `workbook.xml`: the ids of the sheets' parts by the sheets' names."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet":
            self.ids.setdefault(attributes.get("name", ""), attributes.get("id", ""))

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


def looks_in(parts: Archive) -> LooksOf:
    """Those of all sheets; none where the styles cannot be read, which nobody's text depends on."""
    try:
        part = main_part(parts, "xl/workbook.xml")
        relations = relations_of(parts, part)
        looks = _styles(parts, relations)
        if not any(looks):
            return no_looks
        book = _Book()
        with parts.open(part) as source:
            read_xml(source, book, MAX_ELEMENTS)
    except DocumentUnreadable:
        return no_looks

    def looks_of(_number: int, name: str) -> Looks:
        sheet = relations.targets.get(book.ids.get(name, ""), "")
        return Looks(_rows(parts.open(sheet), looks)) if sheet in parts.names else NO_LOOKS

    return looks_of


def _styles(parts: Archive, relations: Relations) -> Sequence[Look | None]:
    styles = _Styles()
    name = next(iter(relations.of_kind("styles")), "xl/styles.xml")
    if name in parts.names:
        with parts.open(name) as source:
            read_xml(source, styles, MAX_ELEMENTS)
    return styles.looks()


def _rows(source: IO[bytes], looks: Sequence[Look | None]) -> Iterator[LooksOfRows]:
    """The cells that have a look, by row. What does not say its place is the next."""
    row, column = -1, 0
    last, cells = -1, dict[int, Look]()
    by_style = {number: look for number, look in enumerate(looks) if look}
    for kind, letters, digits, style, rest in _tags(source):
        if kind == b"row":
            row, column = _found(_ROW, rest, row + 2) - 1, 0
            continue
        if not letters and (place := _PLACE.search(rest)):
            letters, digits = place.groups()
        column = column_number(letters) - 1 if letters else column
        look = by_style.get(int(style) if style else _found(_STYLE, rest, 0))
        if look or column in cells:
            its_row = int(digits) - 1 if digits else row
            if look and its_row != last:
                yield last, last, cells
                last, cells = its_row, {}
            if look:
                cells[column] = look
            elif its_row == last:
                # The same place once more: of the two this is what is read.
                del cells[column]
        column += 1
    yield last, last, cells


def _tags(source: IO[bytes]) -> Iterator[tuple[bytes, bytes, bytes, bytes, bytes]]:
    for piece in pieces(source, b"<"):
        yield from _TAG.findall(piece)


def _found(pattern: re.Pattern[bytes], attributes: bytes, otherwise: int) -> int:
    found = pattern.search(attributes)
    return int(found[1]) if found else otherwise


@lru_cache(maxsize=20_000)
def column_number(letters: bytes) -> int:
    """Of `A` it is 1, of `XFD` 16,384."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
