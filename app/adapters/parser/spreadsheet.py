"""Sheets of any kind: each under its name, its rows with the names of their columns."""

import datetime
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from app.adapters.parser.blocks import Blocks
from app.adapters.parser.grid import MAX_REPEATED_CHARS, MAX_SPAN
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


def sheets_text(content: bytes) -> ParsedText:
    """The visible sheets. Formulas are not computed: what was last shown is what is read."""
    from python_calamine import CalamineError, PasswordError

    blocks = Blocks()
    try:
        book = _opened(content)
        cells = 0
        for name in _visible(book):
            sheet = book.get_sheet_by_name(name)
            rows = list(_rows(sheet, MAX_CELLS - cells))
            cells += sum(sum(map(bool, row)) for row in rows)
            _spread(rows, sheet.merged_cell_ranges or [])
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


def _visible(book: "CalamineWorkbook") -> list[str]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    return [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
    ]


def _rows(sheet: "CalamineSheet", room: int) -> Iterator[list[str]]:
    """Rows without the empty area around them.

    Raises:
        DocumentTooComplex: more cells are filled than there is room for.
    """
    for values in sheet.iter_rows():
        row = [shown(value) for value in values]
        room -= sum(map(bool, row))
        if room < 0:
            raise DocumentTooComplex(f"More than {MAX_CELLS:,} cells are filled. Split it.")
        yield row


def _spread(rows: list[list[str]], merged: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Put what merged cells show in each of them, but for a title across a whole row."""
    for (top, left), (bottom, right) in merged[:MAX_MERGED]:
        first = rows[top] if top < len(rows) else []
        text = first[left] if left < len(first) else ""
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
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return str(value)
