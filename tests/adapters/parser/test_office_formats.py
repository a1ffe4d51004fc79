"""Office files, books, mails and tables: what is read of each, and with what structure."""

import pytest

from app.adapters.parser import PARSERS
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.adapters.parser.tables import table_lines
from app.features.knowledge.errors import FormatNotSupported
from app.features.knowledge.incoming import receive
from app.ports.parser import (
    Cut,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
    ParsedText,
)
from tests.support.office_files import (
    PAGE,
    compound,
    docx_with,
    epub_with,
    ods_with,
    open_document,
    paragraph,
    pptx_with,
    sheet,
    slide,
    slide_table,
    word_table,
    xls_with,
    xlsx_with,
    zip_of,
)

pytestmark = pytest.mark.anyio
PRICES = (["Produto", "Preço"], ["Cadeira", 19.0], ["Mesa", 19.9])
PRICE_ROWS = "- Produto: Cadeira — Preço: 19\n- Produto: Mesa — Preço: 19.9"
MAIL = (
    "From: Ana <ana@aurora.example>\r\nTo: loja@aurora.example\r\n"
    "Subject: =?utf-8?q?Troca_do_sof=C3=A1?=\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
    "--x\r\nContent-Type: text/html; charset=latin-1\r\n\r\n<p>N\xe3o <b>serviu</b></p>\r\n"
    "--x\r\nContent-Type: text/plain\r\n"
    'Content-Disposition: attachment; filename="nota.txt"\r\n\r\nsegredo\r\n--x--\r\n'
).encode("latin-1")
MANUAL = docx_with(
    paragraph("Manual", style="Ttulo1")
    + paragraph("Primeira página.")
    + paragraph("um", item=0)
    + paragraph("dois", item=1)
    + paragraph("três", style="Lista")
    + word_table(["Região", "Prazo"], ["Sul", "3 dias"])
    + paragraph("Trocas", style="Ttulo2", before=PAGE)
    + paragraph("Em 30 dias.")
)
DECK = pptx_with(
    slide("Planos", "Ouro", "Prata"),
    slide("Oculto", "não mostrar", shown=False),
    slide("Preços", more=slide_table(["Plano", "Valor"], ["Ouro", "R$ 9"])),
    notes={0: "Diga que é anual."},
)
BOOK = epub_with("<html><h1>Um</h1><p>Olá</p></html>", "<h1>Dois</h1><p>Tchau</p>")
ODT = open_document(
    "text",
    '<text:h text:outline-level="2">Prazo</text:h><text:p>São <text:span>9</text:span> dias.'
    "</text:p><text:tracked-changes><text:p>velho</text:p></text:tracked-changes>"
    "<text:list><text:list-item><text:p>um</text:p></text:list-item></text:list>"
    "<text:soft-page-break/><text:p>Fim.</text:p>",
)
JSON = (
    b'{"loja":"Aurora","prazos":{"sul":3,"norte":9.50},"aberta":true,"nada":null,'
    b'"itens":[{"nome":"a","em":{"cidade":"Recife"}},{"nome":"b"}]}'
)
EXAMPLES = {
    "docx": MANUAL,
    "pptx": DECK,
    "xlsx": xlsx_with({"Preços": sheet(["Tabela"], *PRICES)}),
    "xls": xls_with("Precos", *PRICES),
    "ods": ods_with("Preços", ["Produto", "Cor"], ["Cadeira", "azul"]),
    "odt": ODT,
    "epub": BOOK,
    "eml": MAIL,
    "json": JSON,
    "csv": "Produto;Preço;Cor\nCadeira;19,90;azul\nMesa;9;verde\nSofá;8;cru".encode("cp1252"),
}


def told(content: bytes, name: str = "arquivo") -> str:
    """The name of the parser that takes the bytes."""
    content_type = receive(name, content, PARSERS).content_type
    return next(p.name for p in PARSERS.values() if p.content_type == content_type)


def parsed(content: bytes, name: str = "arquivo") -> ParsedText:
    return PARSERS[told(content, name)].parse(content)


def text_of(content: bytes, name: str = "arquivo") -> str:
    return "".join(parsed(content, name).pages)


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_each_is_told_by_its_bytes_and_read_within_the_sandbox(kind):
    assert told(EXAMPLES[kind], "arquivo.pdf") == kind
    with open_sandbox() as sandbox:
        chunks = await sandbox.chunks(PARSERS[kind], EXAMPLES[kind], Cut(size=300, overlap=0))
    assert chunks


def test_a_word_file_keeps_headings_lists_rows_and_the_pages_that_word_laid_out():
    assert parsed(MANUAL).pages == (
        "# Manual\n\nPrimeira página.\n\n- um\n  - dois\n- três\n\n"
        "- Região: Sul — Prazo: 3 dias\n\n",
        "## Trocas\n\nEm 30 dias.",
    )


def test_what_word_does_not_show_is_not_read():
    run = "<w:r>{}<w:t>{}</w:t></w:r>"
    hidden = run.format("<w:rPr><w:vanish/></w:rPr>", "oculto")
    text = text_of(
        docx_with(
            f"<w:p>{run.format('', 'visto')}{hidden}<w:del>{run.format('', 'riscado')}</w:del>"
            f"<w:moveFrom>{run.format('', 'movido')}</w:moveFrom></w:p>"
        )
    )
    assert text == "visto"


def test_a_table_within_a_table_is_part_of_its_cell():
    inner = word_table(["a", "b"], ["c", "d"])
    rows = word_table(["Tema", "Detalhe"], ["Sul", "x"]).replace(paragraph("x"), inner)
    assert text_of(docx_with(rows)) == "- Tema: Sul — Detalhe: a — b; c — d"


def test_slides_are_pages_in_the_order_in_which_they_are_shown():
    result = parsed(DECK)
    assert result.is_paged
    assert result.pages == (
        "# Planos\n\n- Ouro\n- Prata\n\nDiga que é anual.\n\n",
        "",
        "# Preços\n\n- Plano: Ouro — Valor: R$ 9\n\n",
    )


def test_a_workbook_is_its_visible_sheets_each_row_with_the_names_of_its_columns():
    book = xlsx_with(
        {"Preços": sheet(["Tabela 2026"], *PRICES), "Custos": sheet(["segredo"])}, hidden="Custos"
    )
    assert text_of(book) == f"# Preços\n\nTabela 2026\n\n{PRICE_ROWS}"
    assert text_of(xls_with("Precos", *PRICES)) == f"# Precos\n\n{PRICE_ROWS}"
    assert text_of(EXAMPLES["ods"]) == "# Preços\n\n- Produto: Cadeira — Cor: azul"


def test_an_open_document_keeps_its_headings_and_leaves_out_what_was_deleted():
    assert parsed(ODT).pages == ("## Prazo\n\nSão 9 dias.\n\n- um\n\n", "Fim.")


def test_a_book_is_read_in_the_order_of_its_chapters():
    assert text_of(BOOK) == "# Um\n\nOlá\n\n# Dois\n\nTchau"


def test_of_a_mail_the_text_is_read_and_an_attachment_named():
    assert text_of(MAIL) == (
        "# Troca do sofá\n\n- De: Ana <ana@aurora.example>\n- Para: loja@aurora.example\n"
        "- Anexos: nota.txt\n\nNão serviu"
    )


def test_json_becomes_headings_and_rows_with_numbers_as_they_are_written():
    assert text_of(JSON) == (
        "- loja: Aurora\n- aberta: true\n\n# prazos\n\n- sul: 3\n- norte: 9.50\n\n# itens\n\n"
        "- nome: a — em.cidade: Recife\n- nome: b"
    )
    assert text_of(b'{"a": 1}\n{"a": "dois"}\n') == "- a: 1\n- a: dois"


@pytest.mark.parametrize("deep", ['{"a":' * 900 + "1" + "}" * 900, "[" * 9_000 + "]" * 9_000])
def test_json_that_is_nested_too_deeply_is_told_so(deep):
    with pytest.raises(DocumentTooComplex, match="nested too deeply"):
        parsed(deep.encode())


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.csv", "a,b\n1,2", "csv"),
        ("x.csv", "# comentário,b\n1,2", "csv"),
        ("x.txt", "a;b;c\n1;2;3\n4;5;6\n7;8;9\n", "csv"),
        ("x.txt", "a\tb\tc\n" * 5, "csv"),
        ("x.txt", "Oi, tudo bem, Ana\nSim, claro, e você\n" * 3, "text"),
        ("x.txt", "um; dois; três\noutra frase", "text"),
        ("x.csv", "<html><p>Oi", "html"),
        ("x.txt", '{"a": 1}', "json"),
        ("x.txt", "[a lista] de coisas [aqui]", "text"),
        ("x.txt", "{chaves} soltas", "text"),
        ("x.txt", "[1] Silva, 2020.\nO resto vem em [2]", "text"),
        ("x.txt", "[1] Silva, 2020.\n" * 9_000 + "[2]", "text"),
        ("x.txt", '{"a": 1,}', "text"),
        ("x.txt", '{"a": ["\\"dito\\"", 1.5e3, true, null]}\n' * 9_000, "json"),
        ("x.txt", "[" * 20_000 + "]" * 20_000, "json"),
        ("x.json", '{"a": 1,}', "json"),
        ("x.md", "From: nobody\n\n# Oi", "markdown"),
    ],
)
def test_a_table_a_value_and_prose_are_told_apart(name, text, kind):
    assert told(text.encode(), name) == kind


@pytest.mark.parametrize(
    "text",
    [
        "Produto,Preço\nMesa,9",
        "sep=|\nProduto|Preço\nMesa|9",
        '"Produto";"Preço"\r\n"Mesa";"9"',
        "\ufeffProduto\tPreço\rMesa\t9",
    ],
)
def test_whatever_parts_the_columns_a_row_names_them(text):
    assert text_of(text.encode(), "x.csv") == "- Produto: Mesa — Preço: 9"


def test_a_table_after_an_empty_row_has_a_header_of_its_own():
    rows = [["a", "b"], ["1", "2"], ["", ""], ["c", "d"], ["3", ""], ["4", "5", "6"]]
    assert [line for line, _ in table_lines(rows)] == [
        "a: 1 — b: 2",
        "c: 3",
        "c: 4 — d: 5 — 6",
    ]


PICTURE = {"word/media/image1.png": b"x", "ppt/media/image1.png": b"x"}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.docx", compound({"EncryptedPackage": b"x"}), DocumentEncrypted),
        ("a.pptx", compound({"EncryptedPackage": b"x"}), DocumentEncrypted),
        ("a.xlsx", compound({"EncryptedPackage": b"x"}), DocumentEncrypted),
        (
            "a.ods",
            open_document(
                "spreadsheet",
                "",
                **{"META-INF/manifest.xml": "<manifest><encryption-data/></manifest>"},
            ),
            DocumentEncrypted,
        ),
        (
            "a.epub",
            epub_with(
                "<p>Oi",
                **{
                    "META-INF/encryption.xml": "<encryption><CipherReference"
                    ' URI="OEBPS/text/c%200.xhtml"/></encryption>'
                },
            ),
            DocumentEncrypted,
        ),
        ("a.docx", docx_with("", **PICTURE), DocumentWithoutText),
        ("a.pptx", pptx_with(slide("")), DocumentEmpty),
        ("a.docx", docx_with(paragraph(" ")), DocumentEmpty),
        ("a.xlsx", xlsx_with({"Vazia": sheet()}), DocumentEmpty),
        ("a.epub", epub_with("<p> "), DocumentEmpty),
        ("a.json", b"[]", DocumentEmpty),
        ("a.csv", b";;\n;;", DocumentEmpty),
        ("a.json", b'{"a": ', DocumentUnreadable),
        ("a.bin", compound({"EncryptedPackage": b"x"}), DocumentEncrypted),
        ("a.docx", docx_with("<w:p>"), DocumentUnreadable),
        *(
            (name, EXAMPLES[kind][: len(EXAMPLES[kind]) * 2 // 3], DocumentUnreadable)
            for kind in ("docx", "pptx", "xlsx", "ods", "odt", "epub")
            for name in ("a.bin", f"a.{kind}")
        ),
        ("a.xls", xls_with("A", *PRICES)[:1600], DocumentUnreadable),
        ("a.xlsx", zip_of({"[Content_Types].xml": "", "xl/outro.xml": ""}), DocumentUnreadable),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(name, content, kind):
    parser = PARSERS[told(content, name)]
    with open_sandbox() as sandbox, pytest.raises(DocumentUnreadable) as failure:
        await sandbox.chunks(parser, content, Cut(size=300, overlap=0))
    assert type(failure.value) is kind


@pytest.mark.parametrize(
    "content",
    [
        zip_of({"leia.txt": "Oi"}),
        compound({"WordDocument": b"x"}),
        b"GIF89a" + MANUAL,
        b"\x7fELF" + DECK,
    ],
    ids=["any archive", "old Word", "a picture that is an archive", "a program"],
)
def test_what_no_parser_reads_is_refused_whatever_it_is_called(content):
    with pytest.raises(FormatNotSupported, match="docx"):
        receive("manual.docx", content, PARSERS)
