"""Excel's files of before 2007."""

from app.adapters.parser import spreadsheet
from app.adapters.parser.office import names_stream
from app.adapters.parser.spreadsheet import sheets_text
from app.ports.parser import Parser


def _claims(content: bytes, name: str) -> bool:
    return names_stream(content, "Workbook", "Book")


PARSER = Parser(
    "xls", "application/vnd.ms-excel", (".xls",), _claims, sheets_text, spreadsheet.LIBRARIES
)
