"""OpenDocument spreadsheets."""

from app.adapters.parser import archive, spreadsheet, xml_reading
from app.adapters.parser.archive import Archive, mimetype_of
from app.adapters.parser.ods_looks import looks_in
from app.adapters.parser.open_document import refuse_encrypted
from app.adapters.parser.spreadsheet import sheets_text
from app.ports.parser import ParsedText, Parser

CONTENT_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def _claims(content: bytes, name: str) -> bool:
    return mimetype_of(content) in (CONTENT_TYPE, f"{CONTENT_TYPE}-template")


def _parse(content: bytes) -> ParsedText:
    parts = Archive(content)
    refuse_encrypted(parts)
    return sheets_text(content, looks_in(parts))


PARSER = Parser(
    "ods",
    CONTENT_TYPE,
    (".ods",),
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES, *spreadsheet.LIBRARIES),
)
