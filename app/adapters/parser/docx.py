"""Word: paragraphs under their headings, lists, tables; the pages as Word last laid them out."""

from app.adapters.parser import archive, xml_reading
from app.adapters.parser.archive import Archive, is_office_file
from app.adapters.parser.blocks import PAGE_BREAK, Blocks
from app.adapters.parser.docx_body import Body, Styles
from app.adapters.parser.office import (
    OLE_SIGN,
    is_encrypted,
    main_part,
    nothing_in,
    relations_of,
)
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import DocumentEncrypted, ParsedText, Parser

EXTENSIONS = (".docx", ".docm", ".dotx")


def _claims(content: bytes, name: str) -> bool:
    return is_office_file(content, "word/") or is_encrypted(content, name, EXTENSIONS)


def _parse(content: bytes) -> ParsedText:
    if content.startswith(OLE_SIGN):
        raise DocumentEncrypted("Remove its password and upload it again.")
    parts = Archive(content)
    part = main_part(parts, "word/document.xml")
    blocks = Blocks()
    with parts.open(part) as source:
        read_xml(source, Body(blocks, _styles(parts, part)))
    if not blocks.text.strip(PAGE_BREAK):
        raise nothing_in(parts, "word/media/")
    return ParsedText(blocks.pages(), is_markdown=True, is_paged=PAGE_BREAK in blocks.text)


def _styles(parts: Archive, part: str) -> Styles:
    styles = Styles()
    for name in relations_of(parts, part).of_kind("styles")[:1]:
        with parts.open(name) as source:
            read_xml(source, styles)
    return styles


PARSER = Parser(
    "docx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    EXTENSIONS,
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES),
)
