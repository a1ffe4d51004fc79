"""Files made to do harm: each is refused or bounded, with a code, and takes nothing along."""

import random
import struct
import time
import zipfile
from contextlib import suppress
from io import BytesIO

import pytest

from app.adapters.parser import PARSERS, chunking
from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.ports.parser import (
    Cut,
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    ParsedText,
)
from tests.adapters.parser.test_office_formats import BOOK, DECK, EXAMPLES, MAIL, MANUAL, told
from tests.support.documents import pdf_with
from tests.support.office_files import (
    TYPES,
    docx_with,
    epub_with,
    open_document,
    paragraph,
    sheet,
    word_table,
    xlsx_with,
    zip_of,
)

pytestmark = [pytest.mark.anyio, pytest.mark.once]
CUT = Cut(size=300, overlap=0)
MIB = 1024 * 1024
CANARY = "canario-7f3a"


async def outcome(content: bytes, name: str = "x", *, cpu_s: int = 10):
    """The chunks or the named failure; the child is gone in either case."""
    parser = PARSERS[told(content, name)]
    with open_sandbox(Limits(cpu_s=cpu_s)) as sandbox:
        try:
            return await sandbox.chunks(parser, content, CUT)
        except DocumentUnreadable as problem:
            return problem


def with_sizes_forged(content: bytes, size: int) -> bytes:
    """Each entry of the directory and each entry itself says that it is this large."""
    out = bytearray(content)
    for sign, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = out.find(sign)
        while at >= 0:
            struct.pack_into("<L", out, at + place, size)
            at = out.find(sign, at + 4)
    return bytes(out)


def overlapping() -> bytes:
    """A kernel of zeros that hundreds of entries share: the directory names it again and again."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in TYPES:
            archive.writestr(name, "")
        archive.writestr("word/document.xml", random.Random(1).randbytes(1_000) * 3)
        entry = archive.infolist()[-1]
        for number in range(900):
            twin = zipfile.ZipInfo(f"word/{number}.xml")
            twin.compress_type, twin.header_offset = entry.compress_type, entry.header_offset
            twin.CRC, twin.compress_size = entry.CRC, entry.compress_size
            twin.file_size = 300_000
            archive.filelist.append(twin)
    return out.getvalue()


def words(count: int) -> str:
    """Text that packs as badly as people's does."""
    chance = random.Random(2)
    return " ".join("".join(chance.choices("aeioulmnrst", k=6)) for _ in range(count))


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)
LAUGHING = paragraph("X").replace("X", "&i;")
STEALING = paragraph("X").replace("X", "&e;")
FAR = sheet(["oi", "tudo"]).replace('"B1"', '"XFD1048576"')
FULL_ODS = (
    '<table:table table:name="A"><table:table-row table:number-rows-repeated="1048576">'
    '<table:table-cell office:value-type="string" table:number-columns-repeated="16384">'
    "<text:p>x</text:p></table:table-cell></table:table-row></table:table>"
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (docx_with("", **{"word/document.xml": bytes(150 * MIB)}), DocumentTooComplex),
        (docx_with("", **{"word/big.bin": bytes(201 * MIB)}), DocumentTooComplex),
        (zip_of({**TYPES, **{f"word/{n}": "" for n in range(1_001)}}), DocumentTooComplex),
        (zip_of({**TYPES, **{f"word/{n}": "" for n in range(30_000)}}), DocumentTooComplex),
        (with_sizes_forged(MANUAL, 0xFFFFFFF0), DocumentTooComplex),
        (overlapping(), DocumentTooComplex),
        (docx_with("<w:sdt>" * 10_000 + "</w:sdt>" * 10_000), DocumentTooComplex),
        (docx_with(LAUGHING, head=f"{LAUGHS}]>"), DocumentUnreadable),
        (
            docx_with(STEALING, head='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">'),
            DocumentUnreadable,
        ),
        (docx_with("", **{"word/styles.xml": f"{LAUGHS}]><a>&i;</a>"}), DocumentUnreadable),
        (open_document("text", "", **{"content.xml": f"{LAUGHS}]><a>&i;</a>"}), DocumentUnreadable),
        (xlsx_with({"A": FAR}), DocumentTooComplex),
        (open_document("spreadsheet", FULL_ODS), DocumentUnreadable),
        (b"[" * 100_000 + b"]" * 100_000, DocumentTooComplex),
        (
            MANUAL.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
            None,
        ),
    ],
    ids=[
        *("150 MB in 150 KB", "a part never read", "1001 parts", "30000 parts", "forged sizes"),
        *("overlapping", "deep", "laughs", "foreign DTD", "laughs in styles", "laughs in ODT"),
        *("two far corners", "repeated for ever", "deep JSON", "encrypted entries"),
    ],
)
async def test_a_bomb_is_refused_before_it_goes_off(content, kind):
    started = time.perf_counter()
    problem = await outcome(content, cpu_s=3)
    assert type(problem) is (kind or DocumentEncrypted)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("limit", "value", "content", "told_of"),
    [
        ("archive.MAX_ENTRIES", 2, MANUAL, "2 parts"),
        ("archive.MAX_INFLATED_BYTES", MIB, docx_with("", **{"word/a": bytes(MIB)}), "1 MiB"),
        ("archive.MAX_RATIO", 9, docx_with("", **{"word/a": bytes(200_000)}), "9 times"),
        ("xml_reading.MAX_DEPTH", 2, MANUAL, "2 deep"),
        ("pdf.MAX_PAGES", 1, pdf_with("Um", "Dois"), "2 pages; 1 "),
        ("pdf.MAX_PAGE_CHARS", 1, pdf_with("Um"), "; 1 "),
        ("csv.MAX_ROWS", 2, b"a;b\n" * 5, "2 rows"),
        ("spreadsheet.MAX_CELLS", 1, xlsx_with({"A": sheet(["a", "b"])}), "1 cells"),
        ("xlsx.MAX_AREA", 1, xlsx_with({"A": sheet(["a", "b"])}), "1 cells"),
        ("eml.MAX_PARTS", 0, MAIL, "0 parts"),
    ],
)
def test_a_limit_is_told_with_its_figure_and_what_to_do(
    monkeypatch, limit, value, content, told_of
):
    monkeypatch.setattr(f"app.adapters.parser.{limit}", value)
    with pytest.raises(DocumentTooComplex) as failure:
        PARSERS[told(content, "x.csv")].parse(content)
    said, _, advice = (failure.value.detail or "").partition(". ")
    assert told_of in f"{said}."
    assert advice.startswith(("Split it", "Save it anew", "Simplify it", "Delete", "Send"))


async def test_limits_of_the_text_and_its_chunks_are_told_too(monkeypatch):
    for limits, name, content, told_of in (
        (Limits(output_chars=9), "x.md", b"# Oi\n\n" + b"oi " * 9, "9 characters. Split"),
        (Limits(), "x.json", b"[" * 100_000 + b"]" * 100_000, "hundred levels are read. Flatten"),
    ):
        with open_sandbox(limits) as sandbox, pytest.raises(DocumentTooComplex, match=told_of):
            await sandbox.chunks(PARSERS[told(content, name)], content, CUT)
    monkeypatch.setattr(chunking, "MAX_CHUNKS", 1)
    with pytest.raises(DocumentTooComplex, match=r"1 chunks\. Split"):
        list(chunking.cut(ParsedText(("a " * 9_000,), is_markdown=False), CUT))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (xlsx_with({"A": sheet(["oi"], ["x"], dimension="A1:XFD1048576")}), "x"),
        (xlsx_with({f"S{n}": sheet(["a", "b"], ["c", "d"]) for n in range(400)}), "x"),
        (docx_with(word_table(*[words(9).split()] * 300) + paragraph(words(40_000))), "x"),
        (docx_with(paragraph("Oi"), **{"word/vbaProject.bin": b"Shell", "../../x": "y"}), "x"),
        (epub_with("<p>Oi</p>" + "<div>" * 50_000), "x"),
        (b'a,b\n"c,d\n' + b"e,f\n" * 50_000, "x.csv"),
        (b"a," * 400_000, "x.csv"),
        (b"a,b\n" * 2_000 + b"1,\x002\n", "x.csv"),
        (b'{"a": ' + b"9" * 5_000 + b', "b": NaN}', "x"),
        (b"From: a\r\nTo: b\r\nSubject: " + b"=?utf-8?q?a?= " * 500 + b"\r\n\r\noi", "x"),
        (b"%PDF-1.4\n" + DECK, "x"),
    ],
    ids=[
        *("a false dimension", "400 sheets", "tables", "macros and paths", "deep book"),
        *("an open quotation mark", "one long line", "NULs", "long numbers", "long subject"),
        "PDF and archive",
    ],
)
async def test_what_is_only_odd_is_read_or_refused_in_little_time(content, name):
    result = await outcome(content, name)
    assert isinstance(result, tuple | DocumentUnreadable)


async def test_no_file_brings_another_in(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(CANARY)
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
    linked = sheet(["a", "b"], ["c", "d"]).replace(
        "<sheetData>",
        f'<sheetData><row r="9"><c r="A9"><f>WEBSERVICE("file://{secret}")</f></c></row>',
    )
    for content in (
        docx_with(STEALING, head=entity),
        xlsx_with({"A": linked}),
        xlsx_with({"A": sheet(["a"], head=entity).replace("<t>a<", "<t>&e;<")}),
        epub_with(f"{entity}<p>&e; <img src='file://{secret}'><iframe src='file://{secret}'>Oi"),
        f'{entity}<html><p>&e;<object data="file://{secret}"></object>Oi'.encode(),
    ):
        result = await outcome(content)
        assert CANARY not in str(result)


async def test_half_a_file_or_one_with_a_few_wrong_bytes_fails_with_a_code():
    chance = random.Random(3)
    with open_sandbox(Limits(cpu_s=10)) as sandbox:
        for kind in ("docx", "pptx", "xlsx", "xls", "ods", "odt", "epub", "eml", "json"):
            whole = EXAMPLES[kind]
            bent = bytearray(whole)
            for _ in range(12):
                bent[chance.randrange(60, len(bent))] = chance.randrange(256)
            for content in (whole[: len(whole) * 2 // 3], bytes(bent)):
                with suppress(DocumentUnreadable):
                    assert await sandbox.chunks(PARSERS[kind], content, CUT)


def test_a_format_is_told_in_no_time_from_large_files():
    filler = random.Random(4).randbytes(MIB) * 24
    for content in (
        docx_with("", **{"word/media/a.bin": filler}),
        BOOK[:38] + filler,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + filler,
        b"a;b\n" * 5_000_000,
        b'{"a": ' + b" " * 20_000_000 + b"1}",
    ):
        started = time.perf_counter()
        for parser in PARSERS.values():
            parser.claims(content, "x")
        assert time.perf_counter() - started < 0.5
