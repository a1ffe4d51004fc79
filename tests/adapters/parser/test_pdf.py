"""PDFs as they are and as attackers make them."""

import zlib

import pytest

from app.adapters.parser import PARSERS
from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.ports.parser import (
    Cut,
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
)
from tests.support.documents import (
    encrypted_pdf,
    pages_of,
    pdf_of,
    pdf_of_nested_compression,
    pdf_of_shared_content,
    pdf_with,
    ruled_pdf,
)

pytestmark = pytest.mark.anyio
PDF = PARSERS["pdf"]
WHOLE = Cut(size=2000, overlap=0)


async def read(content: bytes, limits: Limits | None = None, cut: Cut = WHOLE):
    with open_sandbox(limits) as sandbox:
        return await sandbox.chunks(PDF, content, cut)


async def test_lines_become_paragraphs_words_are_mended_and_headings_are_kept():
    page = (
        "# Prazos de entrega\n"
        "O prazo de entrega para o Nordeste é de 8 dias úteis, e o de monta-\n"
        "gem é combinado com o cliente. Quem quiser as peças antes pode pedi-\n"
        "las na loja.\n"
        "\n"
        "- Pix, com desconto\n"
        "- Cartão, em até dez vezes"
    )
    (chunk,) = await read(pdf_with(page))
    assert chunk.content == (
        "# Prazos de entrega\n\n"
        "O prazo de entrega para o Nordeste é de 8 dias úteis, e o de montagem é combinado com o"
        " cliente. Quem quiser as peças antes pode pedi-las na loja.\n\n"
        "- Pix, com desconto\n- Cartão, em até dez vezes"
    )
    assert (chunk.page, chunk.heading) == (1, "Prazos de entrega")


async def test_each_page_is_told_and_what_all_pages_repeat_is_left_out():
    pages = [
        f"Loja Aurora\n\nA página {word} fala de {thing}.\n\nPágina {number} de 3"
        for number, (word, thing) in enumerate(
            [("inicial", "pontos"), ("central", "trocas"), ("final", "prazos")], 1
        )
    ]
    chunks = await read(pdf_with(*pages))
    assert [(chunk.page, chunk.content) for chunk in chunks] == [
        (1, "A página inicial fala de pontos."),
        (2, "A página central fala de trocas."),
        (3, "A página final fala de prazos."),
    ]


async def test_a_sentence_that_runs_over_to_the_next_page_stays_whole():
    chunks = await read(pdf_with("A troca é aceita em", "até 30 dias. O frete é grátis."))
    assert [(chunk.page, chunk.content) for chunk in chunks] == [
        (1, "A troca é aceita em até 30 dias."),
        (2, "O frete é grátis."),
    ]


PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"
CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encrypted_pdf(b"segredo"), DocumentEncrypted),
        (pdf_of([CATALOGUE, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", PAGE]), DocumentWithoutText),
        (pdf_with("Texto")[:300], DocumentUnreadable),
        (b"%PDF-1.7\n" + b"\x00\xff" * 1000, DocumentUnreadable),
        (pdf_of([CATALOGUE, b"<</Type/Pages/Count 0/Kids[]>>"]), DocumentUnreadable),
        (pages_of([b""], [0] * 2001), DocumentTooComplex),
    ],
    ids=["encrypted", "image only", "truncated", "garbage", "no pages", "too many pages"],
)
async def test_what_cannot_be_read_says_why(content, kind):
    with pytest.raises(kind) as failure:
        await read(content)
    assert type(failure.value) is kind
    assert failure.value.detail


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: pdf_of([CATALOGUE, b"<</Type/Pages/Count 100/Kids[2 0 R 2 0 R]>>"]),
        lambda: pdf_of(
            [CATALOGUE, b"<</Type/Pages/Count 2/Parent 2 0 R/Kids[2 0 R 3 0 R]>>", PAGE]
        ),
        lambda: pdf_of_shared_content(100),
        pdf_of_nested_compression,
    ],
    ids=["cyclic pages", "pages within themselves", "shared content", "nested compression"],
)
async def test_bombs_are_stopped_by_the_limits(bomb):
    limits = Limits(cpu_s=2, wall_s=20, memory_bytes=512 * 1024 * 1024)
    with pytest.raises(DocumentUnreadable):
        await read(bomb(), limits)


async def test_an_empty_password_is_no_password():
    with pytest.raises(DocumentWithoutText):
        await read(encrypted_pdf(b""))


async def test_columns_are_read_one_after_the_other():
    left = ["Coluna um, que fala de trocas e de", "devoluções e continua à direita, onde"]
    right = ["termina a frase. A outra coluna é", "mais larga e fala de frete."]
    steps = [
        b"BT /F1 11 Tf %d %d Td (%b) Tj ET" % (x, 700 - 14 * row, line.encode("cp1252"))
        for x, column in ((60, left), (320, right))
        for row, line in enumerate(column)
    ]
    (chunk,) = await read(pages_of([zlib.compress(b"\n".join(steps))], [0]))
    assert chunk.content == " ".join((*left, *right))


PLANS = [
    ["Plano", "Mensal", "Anual"],
    ["Ouro", "R$ 10", "R$ 100"],
    ["Prata", "", "R$ 50, com\ndesconto"],
    ["Bronze", "R$ 1", "R$ 5"],
]
PLAN_ROWS = [
    "- Plano: Ouro — Mensal: R$ 10 — Anual: R$ 100",
    "- Plano: Prata — Anual: R$ 50, com desconto",
    "- Plano: Bronze — Mensal: R$ 1 — Anual: R$ 5",
]


async def test_a_ruled_table_keeps_all_rows_under_its_header():
    (chunk,) = await read(ruled_pdf(PLANS))
    assert chunk.content == "\n".join(["Lista a", "", *PLAN_ROWS, "", "Fim da lista a."])


@pytest.mark.parametrize("rest", [PLANS[2:], [PLANS[0], *PLANS[2:]]], ids=["bare", "repeated"])
async def test_a_ruled_table_that_goes_on_overleaf_keeps_its_header(rest):
    first, second = await read(ruled_pdf(PLANS[:2], rest))
    assert PLAN_ROWS[0] in first.content
    assert second.content == "\n".join(["Lista b", "", *PLAN_ROWS[1:], "", "Fim da lista b."])


async def test_cells_of_a_ruled_table_may_span_columns():
    rows = [["Plano", "Preço", ""], ["", "Mensal", "Anual"], ["Ouro", "R$ 10", ""]]
    (chunk,) = await read(ruled_pdf(rows, gaps=[(0, 2), (2, 2)]))
    assert "- Plano: Ouro — Preço Mensal: R$ 10 — Preço Anual: R$ 10" in chunk.content


async def test_frames_around_texts_are_no_table():
    prose = "\n".join(["As trocas são aceitas"] * 2)
    (chunk,) = await read(ruled_pdf([[prose], ["Outra caixa"]]))
    assert chunk.content.count("As trocas são aceitas") == 2
    assert "- " not in chunk.content


async def test_a_drawing_of_many_lines_costs_little_and_loses_no_word():
    lines = b"\n".join(b"%d 0 m %d 800 l S 0 %d m 500 %d l S" % (n, n, n, n) for n in range(3_000))
    content = lines + b"\nBT /F1 11 Tf 60 700 Td (Texto no desenho) Tj ET"
    (chunk,) = await read(pages_of([zlib.compress(content)], [0]), Limits(cpu_s=10))
    assert chunk.content == "Texto no desenho"


async def test_a_table_may_be_open_at_its_sides():
    cells = [[b"Plano", b"Mensal"], [b"Ouro", b"R$ 10"], [b"Prata", b"R$ 5"]]
    steps = [b"60 %d m 300 %d l S" % (y, y) for y in (740, 720, 700, 680)]
    steps.append(b"180 680 m 180 740 l S")
    steps += [
        b"BT /F1 10 Tf %d %d Td (%b) Tj ET" % (64 + 120 * column, 726 - 20 * row, text)
        for row, texts in enumerate(cells)
        for column, text in enumerate(texts)
    ]
    (chunk,) = await read(pages_of([zlib.compress(b"\n".join(steps))], [0]))
    assert chunk.content == "- Plano: Ouro — Mensal: R$ 10\n- Plano: Prata — Mensal: R$ 5"
