"""PDF: the text layer with its pages; pictures of text are not recognised."""

from typing import TYPE_CHECKING

from app.adapters.parser.page_layout import Line, flowing
from app.adapters.parser.pdf_tables import Page, lines_of, page_of
from app.ports.parser import (
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
    ParsedText,
    Parser,
)

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

MAX_PAGES = 2_000
# A page with more is no page for readers; its geometry alone would take minutes.
MAX_PAGE_CHARS = 1_000_000
BOLD_WEIGHT = 600
_LIBRARIES = ("pypdfium2", "ctypes", "encodings.utf_16_le")
_HEADER = b"%PDF-"
# Where readers look for the header and for the end mark of a file that something was added to.
_LOOK_BYTES = 1024


def _claims(content: bytes, name: str) -> bool:
    if content.startswith(_HEADER):
        return True
    return _HEADER in content[:_LOOK_BYTES] and b"startxref" in content[-_LOOK_BYTES:]


def _parse(content: bytes) -> ParsedText:
    document = _opened(content)
    count = len(document)
    if count > MAX_PAGES:
        raise DocumentTooComplex(
            f"It has {count:,} pages; {MAX_PAGES:,} are read at most. Split it."
        )
    pages = list(lines_of([_page(document, number) for number in range(count)]))
    if not any(pages):
        raise DocumentWithoutText(
            f"None of its {count} pages holds text that can be selected: it may be a scan."
            " Run text recognition (OCR) on it and upload the result."
        )
    return ParsedText(tuple(flowing(pages)), is_markdown=True, is_paged=True)


def _opened(content: bytes) -> "PdfDocument":
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise DocumentEncrypted("Remove its password and upload it again.") from None
        raise DocumentUnreadable("The PDF is damaged.") from None
    if len(document) == 0:
        raise DocumentUnreadable("The PDF is damaged: it has no pages.")
    return document


def _page(document: "PdfDocument", number: int) -> Page:
    import pypdfium2 as pdfium

    try:
        page = document[number]
    except pdfium.PdfiumError:
        return Page()  # a damaged page; the others may be whole
    try:
        text_page = page.get_textpage()
        return page_of(page, text_page, _lines_of(text_page))
    except pdfium.PdfiumError:
        return Page()
    finally:
        page.close()


def _lines_of(text_page: "PdfTextPage") -> list[Line]:
    count = text_page.count_chars()
    if count > MAX_PAGE_CHARS:
        raise DocumentTooComplex(
            f"A page holds {count:,} characters; {MAX_PAGE_CHARS:,} are read at most. Split it."
        )
    lines: list[Line] = []
    place = 0
    for text in text_page.get_text_range().split("\r\n"):
        stripped = text.strip()
        if stripped:
            first = place + len(text) - len(text.lstrip())
            last = min(first + len(stripped), count) - 1
            lines.append(_line(stripped, text_page, min(first, last), last))
        place += len(text) + 2
    return lines


def _line(text: str, text_page: "PdfTextPage", first: int, last: int) -> Line:
    from pypdfium2 import raw

    left, bottom, _, top = _box(text_page, first)
    _, last_bottom, right, _ = _box(text_page, last)
    weights = [raw.FPDFText_GetFontWeight(text_page, place) for place in (first, last)]
    return Line(
        text=text,
        left=left,
        right=right,
        bottom=bottom,
        last_bottom=last_bottom,
        size=round(top - bottom, 1),
        is_bold=min(weights) >= BOLD_WEIGHT,
    )


def _box(text_page: "PdfTextPage", place: int) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of a character; nowhere, where its font does not tell."""
    import pypdfium2 as pdfium

    try:
        return text_page.get_charbox(place, loose=True)
    except pdfium.PdfiumError:
        return (0.0, 0.0, 0.0, 0.0)


PARSER = Parser("pdf", "application/pdf", (".pdf",), _claims, _parse, _LIBRARIES)
