"""Excel's files of today, macros and links in them left alone."""

import re

from app.adapters.parser import archive, spreadsheet, xml_reading
from app.adapters.parser.archive import Archive, is_office_file
from app.adapters.parser.office import OLE_SIGN, is_encrypted
from app.adapters.parser.spreadsheet import MAX_AREA, sheets_text
from app.adapters.parser.xlsx_looks import column_number, looks_in
from app.ports.parser import DocumentEncrypted, DocumentTooComplex, ParsedText, Parser

EXTENSIONS = (".xlsx", ".xlsm", ".xltx")
_ROW = re.compile(rb"\sr=[\"'][A-Za-z]{0,3}([0-9]{1,7})[\"']")
_COLUMN = re.compile(rb"\sr=[\"']([A-Za-z]{1,3})[0-9]")


def _claims(content: bytes, name: str) -> bool:
    # Whatever its name: what has a password is refused, whichever kind it is.
    return is_office_file(content, "xl/") or is_encrypted(content)


def _parse(content: bytes) -> ParsedText:
    if content.startswith(OLE_SIGN):
        raise DocumentEncrypted("Remove its password and upload it again.")
    parts = Archive(content)
    for name in sorted(parts.names):
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            _check_area(parts.read(name))
    return sheets_text(content, looks_in(parts))


def _check_area(sheet: bytes) -> None:
    """A cell in each of two far corners would have everything between them laid out."""
    rows = max(map(int, set(_ROW.findall(sheet))), default=0)
    columns = max(map(column_number, set(_COLUMN.findall(sheet))), default=0)
    if rows * columns > MAX_AREA:
        raise DocumentTooComplex(
            f"A sheet is {rows:,} rows by {columns:,} columns; {MAX_AREA:,} cells are read at most,"
            " empty ones too. Delete what stands far away, or split it."
        )


PARSER = Parser(
    "xlsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    EXTENSIONS,
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES, *spreadsheet.LIBRARIES),
)
