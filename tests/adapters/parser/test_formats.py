"""What a file is, told from its bytes; its encoding; its outline."""

import subprocess
import sys

import pytest

from app.adapters.parser import PARSERS
from app.adapters.parser.chunking import cut
from app.adapters.parser.decoding import decode
from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.features.knowledge.errors import FormatNotSupported
from app.features.knowledge.incoming import receive
from app.ports.parser import Cut, DocumentUnreadable, ParsedText
from tests.support.documents import pdf_with
from tests.support.service import ROOT

pytestmark = pytest.mark.anyio
PORTUGUESE = "Promoção válida até sábado, não perca: às 9h há ações e opções à vista. "


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("manual.txt", pdf_with("Oi"), "application/pdf"),
        ("manual.pdf", b"\n\n" + pdf_with("Oi"), "application/pdf"),
        ("manual.pdf", "Só texto.".encode(), "text/plain"),
        ("sobre-pdf.txt", b"A PDF begins with %PDF-1.7 and a version.", "text/plain"),
        ("page.md", b"<!-- x -->\n<!DOCTYPE html><p>Oi", "text/html"),
        ("page.bin", "<html><p>Olá".encode("utf-16"), "text/html"),
        ("part.html", b"<h1>Oi</h1>", "text/html"),
        ("part.md", b"<h1 align=center>Oi</h1>\n\n# Oi", "text/markdown"),
        ("notes", b"# Oi\n\ntexto", "text/markdown"),
        ("notes.txt", b"Oi, tudo bem? <3 <html>", "text/plain"),
    ],
)
def test_a_file_is_what_its_bytes_are(name, content, content_type):
    assert receive(name, content, PARSERS).content_type == content_type


@pytest.mark.parametrize("sign", [b"GIF89a", b"\x89PNG\r\n", b"PK\x03\x04", b"MZ\x90", b"\x7fELF"])
def test_pictures_archives_and_programs_are_refused_whatever_their_name(sign):
    with pytest.raises(FormatNotSupported, match="pdf"):
        receive("manual.pdf", sign + b"\x01\x02" * 50, PARSERS)


@pytest.mark.parametrize("piece", [b"<!-- -->", b"<?x?>", b" ", b"#", b"<"])
def test_a_format_is_told_in_no_time_from_bytes_that_repeat(piece):
    # A pattern that tried all ways to read them would not come back in years.
    assert receive("x", piece * 1_000_000, PARSERS).content_type == "text/plain"


def test_the_service_itself_loads_no_library_that_reads_documents():
    program = "import sys, app.application; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT).decode().split()
    readers = {"pypdfium2", "selectolax", "charset_normalizer", "semantic_text_splitter"}
    assert "app.adapters.parser.pdf" in loaded
    assert readers.isdisjoint(name.partition(".")[0] for name in loaded)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *((name, PORTUGUESE) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
        *((name, PORTUGUESE) for name in ("latin-1", "cp1252", "cp850", "mac_roman")),
        ("latin-1", "Ação"),
        ("cp1252", "Preço: “R$ 10,00” – só hoje"),
        ("cp1250", "Zażółć gęślą jaźń, proszę bardzo."),
        ("cp1251", "Привет, мир! Как дела сегодня?"),
        ("shift_jis", "今日は良い天気です。" * 5),
    ],
)
def test_an_encoding_is_told_from_the_bytes(encoding, text):
    assert decode(text.encode(encoding)) == text


def test_bytes_of_no_encoding_are_refused():
    with pytest.raises(DocumentUnreadable):
        decode(bytes(range(128, 256)) * 50 + b"\x81\x8d\x8f")


def test_headings_give_each_chunk_its_path_and_a_fence_holds_none():
    text = "# Loja\n\n## Prazos ##\n\nUm.\n\n```\n# não\n```\n\n### Sul\n\nDois.\n\n## Fim\n\nTrês."
    chunks = list(cut(ParsedText((text,), is_markdown=True), Cut(size=5, overlap=0)))
    paths = {chunk.content.split()[-1]: chunk.heading for chunk in chunks}
    assert paths["Um."] == "Loja > Prazos"
    assert paths["Dois."] == "Loja > Prazos > Sul"
    assert paths["Três."] == "Loja > Fim"
    assert not any("não" in path for path in paths.values())
    (whole,) = cut(ParsedText((text,), is_markdown=True), Cut(size=500, overlap=0))
    assert whole.heading == "Loja · Prazos · Sul · Fim"


@pytest.mark.parametrize(
    "text",
    [
        "# " + "a " * 200_000 + "\x0b",
        "# x" + " " * 200_000 + "y",
        "# a\n" * 100_000,
        "```\n# a\n" * 50_000,
        "> " * 20_000,
        "*" * 100_000,
        "[" * 20_000,
    ],
    ids=["words", "spaces", "headings", "fences", "quotes", "stars", "brackets"],
)
async def test_hostile_markdown_is_read_within_the_limits(text):
    with open_sandbox(Limits(cpu_s=10)) as sandbox:
        assert await sandbox.chunks(PARSERS["markdown"], text.encode(), Cut(size=300, overlap=0))
