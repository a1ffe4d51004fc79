"""Sheets of any kind: each under its name, its rows with the names of their columns."""

import datetime
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from app.adapters.parser.blocks import Blocks
from app.adapters.parser.cell_looks import Looks, LooksOf, no_looks
from app.adapters.parser.grid import MAX_REPEATED_CHARS, MAX_SPAN
from app.adapters.parser.number_formats import plain
from app.adapters.parser.tables import Repeated
from app.ports.parser import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    ParsedText,
)

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

LIBRARIES = ("python_calamine", "datetime")
MAX_CELLS = 2_000_000
# A sheet is laid out whole, empty cells too, at some 30 bytes each.
MAX_AREA = 16_000_000
MAX_MERGED = 10_000
MAX_MERGED_ROWS = 1_000


def sheets_text(content: bytes, looks_of: LooksOf = no_looks) -> ParsedText:
    """The visible sheets. Formulas are not computed: what was last shown is what is read."""
    from python_calamine import CalamineError, PasswordError

    blocks = Blocks()
    try:
        book = _opened(content)
        cells = 0
        for number, name in _visible(book):
            sheet = book.get_sheet_by_name(name)
            left = sheet.start[1] if sheet.start else 0
            rows = list(_rows(sheet, MAX_CELLS - cells, looks_of(number, name), left))
            cells += sum(sum(map(bool, row)) for row in rows)
            _spread(rows, sheet.merged_cell_ranges or [], left)
            if any(map(any, rows)):
                blocks.heading(1, name)
                blocks.table(rows)
    except PasswordError:
        raise DocumentEncrypted("Remove its password and upload it again.") from None
    except CalamineError as error:
        if "password" in str(error).lower():
            raise DocumentEncrypted("Remove its password and upload it again.") from None
        raise DocumentUnreadable("The workbook is damaged.") from None
    if not blocks.text:
        raise DocumentEmpty
    return ParsedText((blocks.text,), is_markdown=True)


def _opened(content: bytes) -> "CalamineWorkbook":
    from python_calamine import CalamineWorkbook

    return CalamineWorkbook.from_filelike(BytesIO(content))


def _visible(book: "CalamineWorkbook") -> list[tuple[int, str]]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    return [
        (number, sheet.name)
        for number, sheet in enumerate(book.sheets_metadata)
        if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
    ]


def _rows(sheet: "CalamineSheet", room: int, looks: Looks, left: int) -> Iterator[list[str]]:
    """Rows from the first of the sheet on, each from the column `left` on: none is filled before.

    Raises:
        DocumentTooComplex: more cells are filled than there is room for.
    """
    for number, values in enumerate(sheet.iter_rows()):
        its_looks = looks.of_row(number)
        row = [
            its_looks[column](value)
            if column in its_looks and isinstance(value, float)
            else shown(value)
            for column, value in enumerate(values, left)
        ]
        room -= sum(map(bool, row))
        if room < 0:
            raise DocumentTooComplex(f"More than {MAX_CELLS:,} cells are filled. Split it.")
        yield row


def _spread(
    rows: list[list[str]], merged: list[tuple[tuple[int, int], tuple[int, int]]], start: int
) -> None:
    """Put what merged cells show in each of them, but for a title across a whole row."""
    for (top, first_column), (bottom, last_column) in merged[:MAX_MERGED]:
        left, right = first_column - start, last_column - start
        first = rows[top] if top < len(rows) else []
        text = first[left] if 0 <= left < len(first) else ""
        is_title = right > left and sum(map(bool, first)) == 1
        if not text or is_title or len(text) > MAX_REPEATED_CHARS:
            continue
        for row in rows[top : min(bottom, top + MAX_MERGED_ROWS) + 1]:
            for column in range(left, min(right, left + MAX_SPAN, len(row) - 1) + 1):
                row[column] = Repeated(text) if column > left else text


Cell = str | float | bool | datetime.date | datetime.time | datetime.datetime | datetime.timedelta


def shown(value: Cell) -> str:
    """A cell as a person would write it: 19 rather than 19.0, and a day without its midnight."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return str(value)
