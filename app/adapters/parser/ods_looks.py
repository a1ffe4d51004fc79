"""How cells of OpenDocument spreadsheets show their numbers: each says so beside its value."""

import re
import sys
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import IO

from app.adapters.parser.archive import Archive
from app.adapters.parser.cell_looks import NO_LOOKS, Looks, LooksOf, LooksOfRows, no_looks, pieces
from app.adapters.parser.displayed_numbers import as_displayed
from app.adapters.parser.number_formats import Look

_CONTENT = "content.xml"
_MAX_COLUMNS = 16_384
# A formula among the attributes may hold a `>`.
_TAG = re.compile(
    rb"<table:(table|table-row|table-cell|covered-table-cell)"
    rb"""((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*/?>"""
    rb"(?:\s*<text:p(?:\s[^<>]*)?>([^<]*)</text:p>)?"
)
_TIMES = re.compile(rb"""\stable:number-(?:columns|rows)-repeated\s*=\s*["']([0-9]{1,7})["']""")
# An attribute, not what looks like one within a formula.
_VALUE = re.compile(rb"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*?\s+office:value\s*=""")


class _Sheets:
    """The looks of each sheet, all from one reading of the file."""

    def __init__(self, rows: Iterator[tuple[int, LooksOfRows]]) -> None:
        self._sheets = groupby(rows, itemgetter(0))
        self._number = -1
        self._rows: Iterator[tuple[int, LooksOfRows]] = iter(())

    def of(self, number: int, _name: str) -> Looks:
        """Those of a sheet; sheets before it are passed over."""
        while self._number < number:
            self._number, self._rows = next(self._sheets, (sys.maxsize, iter(())))
        return Looks(rows for _, rows in self._rows) if self._number == number else NO_LOOKS


def looks_in(parts: Archive) -> LooksOf:
    """Those of all sheets."""
    return _Sheets(_rows(parts.open(_CONTENT))).of if _CONTENT in parts.names else no_looks


def _rows(source: IO[bytes]) -> Iterator[tuple[int, LooksOfRows]]:
    """The number of the sheet, and the rows of it that have looks."""
    sheet, first, last, column = -1, -1, -1, 0
    looks: dict[int, Look] = {}
    for kind, attributes, text in _tags(source):
        times = _times(attributes)
        if kind in (b"table", b"table-row") and looks:
            yield sheet, (first, last, looks)
            looks = {}
        if kind == b"table":
            sheet, last = sheet + 1, -1
        elif kind == b"table-row":
            first, last, column = last + 1, last + times, 0
        else:
            # Only cells with a value are laid out, however often they repeat.
            if text and kind == b"table-cell" and _has_value(attributes):
                look = partial(as_displayed, text)
                for place in range(column, min(column + times, _MAX_COLUMNS)):
                    looks[place] = look
            column += times
    if looks:
        yield sheet, (first, last, looks)


def _tags(source: IO[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    for piece in pieces(source, b"<table:"):
        yield from _TAG.findall(piece)


def _has_value(attributes: bytes) -> bool:
    return b"office:value" in attributes and _VALUE.match(attributes) is not None


def _times(attributes: bytes) -> int:
    said = _TIMES.search(attributes) if b"-repeated" in attributes else None
    return max(1, int(said[1])) if said else 1
