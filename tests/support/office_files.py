"""Office files made by hand, as small as they can be: ZIPs of XML, and the older kind."""

import struct
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from xml.sax.saxutils import escape

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_S = (
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_O = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
)
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
TYPES = {"[Content_Types].xml": "<Types/>"}
PAGE = "<w:r><w:lastRenderedPageBreak/></w:r>"


def zip_of(entries: Mapping[str, str | bytes], *, stored: Sequence[str] = ("mimetype",)) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            method = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, method)
    return out.getvalue()


def relations(**targets: str) -> str:
    """`rId1="styles:styles.xml"`: a kind and a target by id."""
    parted = {key: value.partition(":") for key, value in targets.items()}
    lines = "".join(
        f'<Relationship Id="{key}" Type="{_RELATION}{kind}" Target="{target}"/>'
        for key, (kind, _, target) in parted.items()
    )
    return f"<Relationships>{lines}</Relationships>"


def paragraph(text: str, *, style: str = "", before: str = "", item: int | None = None) -> str:
    shape = f'<w:pStyle w:val="{style}"/>' if style else ""
    if item is not None:
        shape += f'<w:numPr><w:ilvl w:val="{item}"/></w:numPr>'
    return f"<w:p><w:pPr>{shape}</w:pPr>{before}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def word_table(*rows: Sequence[str]) -> str:
    lines = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    inner = "".join(f"<w:tr>{line}</w:tr>" for line in lines)
    return f"<w:tbl>{inner}</w:tbl>"


def docx_with(body: str, *, head: str = "", **more: str | bytes) -> bytes:
    styles = "".join(
        f'<w:style w:styleId="Ttulo{level}"><w:name w:val="heading {level}"/></w:style>'
        for level in (1, 2, 3)
    )
    styles += '<w:style w:styleId="Lista"><w:pPr><w:numPr/></w:pPr></w:style>'
    return zip_of(
        {
            **TYPES,
            "_rels/.rels": relations(rId1="officeDocument:word/document.xml"),
            "word/_rels/document.xml.rels": relations(rId1="styles:styles.xml"),
            "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
            "word/document.xml": f"{head}<w:document {_W}><w:body>{body}</w:body></w:document>",
            **more,
        }
    )


def slide(title: str, *points: str, more: str = "", shown: bool = True) -> str:
    lines = "".join(f"<a:p><a:r><a:t>{escape(point)}</a:t></a:r></a:p>" for point in points)
    shapes = "".join(
        f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
        f"<p:txBody>{text}</p:txBody></p:sp>"
        for kind, text in (
            ("body", lines),
            ("title", f"<a:p><a:r><a:t>{escape(title)}</a:t></a:r></a:p>" if title else ""),
            ("sldNum", "<a:p><a:r><a:t>99</a:t></a:r></a:p>"),
        )
    )
    return f'<p:sld {_P} show="{int(shown)}"><p:cSld>{shapes}{more}</p:cSld></p:sld>'


def slide_table(*rows: Sequence[str]) -> str:
    lines = (
        "".join(f"<a:tc><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:tc>" for cell in row)
        for row in rows
    )
    inner = "".join(f"<a:tr>{line}</a:tr>" for line in lines)
    return f"<p:graphicFrame><a:tbl>{inner}</a:tbl></p:graphicFrame>"


def pptx_with(*slides: str, notes: Mapping[int, str] | None = None) -> bytes:
    """Slides whose files are numbered against their order."""
    count = len(slides)
    order = "".join(f'<p:sldId id="{256 + n}" r:id="rId{n}"/>' for n in range(count))
    entries: dict[str, str | bytes] = {
        **TYPES,
        "_rels/.rels": relations(rId1="officeDocument:ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:presentation {_P}>{order}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"rId{n}": f"slide:slides/slide{count - n}.xml" for n in range(count)}
        ),
    }
    for n, content in enumerate(slides):
        entries[f"ppt/slides/slide{count - n}.xml"] = content
    for n, text in (notes or {}).items():
        entries[f"ppt/slides/_rels/slide{count - n}.xml.rels"] = relations(
            rId1="notesSlide:../notesSlides/note.xml"
        )
        entries["ppt/notesSlides/note.xml"] = slide("", text)
    return zip_of(entries)


def sheet(*rows: Sequence[str | float], head: str = "", dimension: str = "") -> str:
    def cell(place: str, value: str | float) -> str:
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    lines = (
        "".join(cell(f"{chr(65 + at)}{n}", value) for at, value in enumerate(row))
        for n, row in enumerate(rows, 1)
    )
    data = "".join(f'<row r="{n}">{line}</row>' for n, line in enumerate(lines, 1))
    size = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f"{head}<worksheet {_S}>{size}<sheetData>{data}</sheetData></worksheet>"


def sheet_styles(*formats: str | int) -> str:
    """`styles.xml` with a style for each format, from 1 on: a code, or a known number."""
    codes = {200 + n: one for n, one in enumerate(formats) if isinstance(one, str)}
    listed = "".join(
        f'<numFmt numFmtId="{n}" formatCode="{escape(code, {chr(34): "&quot;"})}"/>'
        for n, code in codes.items()
    )
    numbers = [one if isinstance(one, int) else 200 + n for n, one in enumerate(formats)]
    styles = "".join(f'<xf numFmtId="{n}"/>' for n in (0, *numbers))
    return (
        f"<styleSheet {_S}><numFmts>{listed}</numFmts>"
        # These name formats too, of which no cell is.
        '<cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>'
        f"<cellXfs>{styles}</cellXfs>"
        '<dxfs><dxf><numFmt numFmtId="200" formatCode="0&quot;x&quot;"/></dxf></dxfs></styleSheet>'
    )


def raw_sheet(rows: str, *, merged: str = "") -> str:
    """A sheet whose rows are written out."""
    more = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    return f"<worksheet {_S}><sheetData>{rows}</sheetData>{more}</worksheet>"


def xlsx_with(sheets: Mapping[str, str], *, hidden: str = "", **more: str | bytes) -> bytes:
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"'
        f' state="{"hidden" if name == hidden else "visible"}"/>'
        for n, name in enumerate(names, 1)
    )
    return zip_of(
        {
            **TYPES,
            "_rels/.rels": relations(rId1="officeDocument:xl/workbook.xml"),
            "xl/workbook.xml": f"<workbook {_S}><sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relations(
                **{
                    f"rId{n}": f"worksheet:worksheets/sheet{n}.xml"
                    for n in range(1, len(names) + 1)
                }
            ),
            **{
                f"xl/worksheets/sheet{n}.xml": content
                for n, content in enumerate(sheets.values(), 1)
            },
            **more,
        }
    )


def open_document(kind: str, body: str, **more: str | bytes) -> bytes:
    """`kind` is text or spreadsheet."""
    return zip_of(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {_O}><office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
            "META-INF/manifest.xml": "<manifest/>",
            **more,
        }
    )


def ods_with(name: str, *rows: Sequence[str]) -> bytes:
    cells = (
        "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
            "</table:table-cell>"
            for cell in row
        )
        for row in rows
    )
    lines = "".join(f"<table:table-row>{line}</table:table-row>" for line in cells)
    return open_document("spreadsheet", f'<table:table table:name="{name}">{lines}</table:table>')


def epub_with(*chapters: str, **more: str | bytes) -> bytes:
    numbers = range(len(chapters))
    items = "".join(
        f'<item id="c{n}" href="text/c%20{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in numbers
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in numbers)
    return zip_of(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/>'
            "</rootfiles></container>",
            "OEBPS/book.opf": f"<package><manifest>{items}</manifest><spine>{spine}</spine>"
            "</package>",
            **{f"OEBPS/text/c {n}.xhtml": chapters[n] for n in reversed(numbers)},
            **more,
        }
    )


def xls_with(name: str, *rows: Sequence[str | float]) -> bytes:
    """A workbook of before 2007 with one sheet."""

    def record(kind: int, data: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def cell(row: int, column: int, value: str | float) -> bytes:
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):
            text = value.encode("utf-16-le")
            return record(0x204, place + struct.pack("<HB", len(value), 1) + text)
        return record(0x203, place + struct.pack("<d", value))

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 1997, 0, 0))

    cells = b"".join(
        cell(n, at, value) for n, row in enumerate(rows) for at, value in enumerate(row)
    )
    shown = struct.pack("<BB", len(name), 0) + name.encode("latin-1")
    start = len(begin(5)) + len(record(0x85, bytes(6) + shown)) + len(record(0x0A))
    book = begin(5) + record(0x85, struct.pack("<IBB", start, 0, 0) + shown) + record(0x0A)
    return compound({"Workbook": book + begin(0x10) + cells + record(0x0A)})


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A container of the older kind (CFB); each stream is padded to where sectors are used."""
    free, end, fat_sector = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    fat, sectors = [fat_sector, end], b""
    entries = [_entry("Root Entry", 5, end, 0, child=1)]
    for n, (name, content) in enumerate(streams.items(), 1):
        content = content.ljust(4096, b"\x00")
        content += bytes(-len(content) % 512)
        count, first = len(content) // 512, len(fat)
        fat += [*range(first + 1, first + count), end]
        sectors += content
        sibling = n + 1 if n < len(streams) else free
        entries.append(_entry(name, 2, first, len(content), right=sibling))
    assert len(fat) <= 128
    assert len(entries) <= 4
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0)
    head += struct.pack("<109I", 0, *[free] * 108)
    directory = b"".join(entries).ljust(512, b"\x00")
    table = struct.pack("<128I", *fat, *[free] * (128 - len(fat)))
    return head + table + directory + sectors


def _entry(
    name: str, kind: int, start: int, size: int, *, child: int = 0xFFFFFFFF, right: int = 0xFFFFFFFF
) -> bytes:
    text = f"{name}\x00".encode("utf-16-le")
    return (
        text.ljust(64, b"\x00")
        + struct.pack("<HBBIII", len(text), kind, 1, 0xFFFFFFFF, right, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )
