"""Tables of every format: each value under the name of its column, and which row names them."""

import pytest

from app.adapters.parser.tables import table_lines
from tests.adapters.parser.test_office_formats import text_of
from tests.support.office_files import (
    docx_with,
    open_document,
    paragraph,
    pptx_with,
    sheet,
    slide,
    word_table,
    xlsx_with,
)

Cell = str | tuple[str, int, int]
# A cell is its text, or its text with how many columns and rows it spans.
SPANNING: list[list[Cell]] = [
    [("Planos", 3, 1)],
    [("Plano", 1, 2), ("Preço", 2, 1)],
    ["Mensal", "Anual"],
    [("Ouro", 1, 2), ("R$ 10", 2, 1)],
    ["R$ 9", "R$ 90"],
    [("Empresas", 3, 1)],
    ["Prata", "", "R$ 50"],
]
READ = """Planos

- Plano: Ouro — Preço Mensal: R$ 10 — Preço Anual: R$ 10
- Plano: Ouro — Preço Mensal: R$ 9 — Preço Anual: R$ 90

Empresas

- Plano: Prata — Preço Anual: R$ 50"""


def spans(cell: Cell) -> tuple[str, int, int]:
    return (cell, 1, 1) if isinstance(cell, str) else cell


def docx(rows: list[list[Cell]]) -> bytes:
    """Word has a cell in every row, which goes on with the one above it."""
    lines: list[str] = []
    down: dict[int, tuple[int, int]] = {}
    for row in rows:
        line, column, rest = "", 0, [spans(cell) for cell in row]
        while rest or column in down:
            if column in down:
                left, across = down.pop(column)
                text, merge = "", "<w:vMerge/>"
            else:
                text, across, left = rest.pop(0)
                merge = '<w:vMerge w:val="restart"/>' if left > 1 else ""
            if left > 1:
                down[column] = (left - 1, across)
            column += across
            line += (
                f'<w:tc><w:tcPr><w:gridSpan w:val="{across}"/>{merge}</w:tcPr>'
                f"{paragraph(text)}</w:tc>"
            )
        lines.append(f"<w:tr>{line}</w:tr>")
    return docx_with(f"<w:tbl>{''.join(lines)}</w:tbl>")


def odt(rows: list[list[Cell]]) -> bytes:
    def cell(text: str, across: int, down: int) -> str:
        return (
            f'<table:table-cell table:number-columns-spanned="{across}"'
            f' table:number-rows-spanned="{down}"><text:p>{text}</text:p></table:table-cell>'
            + "<table:covered-table-cell/>"
            * (across - 1)
        )

    lines = ("".join(cell(*spans(one)) for one in row) for row in rows)
    rows_of = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    return open_document("text", f"<table:table>{rows_of}</table:table>")


def pptx(rows: list[list[Cell]]) -> bytes:
    def cell(text: str, across: int, down: int) -> str:
        shown = f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"
        covered = '<a:tc hMerge="1"><a:p/></a:tc>' * (across - 1)
        return f'<a:tc gridSpan="{across}" rowSpan="{down}">{shown}</a:tc>{covered}'

    lines = ("".join(cell(*spans(one)) for one in row) for row in rows)
    inner = "".join(f"<a:tr>{line}</a:tr>" for line in lines)
    return pptx_with(slide("", more=f"<p:graphicFrame><a:tbl>{inner}</a:tbl></p:graphicFrame>"))


def html(rows: list[list[Cell]]) -> bytes:
    lines = (
        "".join(
            f"<td colspan={across} rowspan={down}>{text}</td>"
            for text, across, down in map(spans, row)
        )
        for row in rows
    )
    return f"<html><table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>".encode()


@pytest.mark.parametrize("write", [docx, odt, pptx, html])
def test_what_a_merged_cell_says_is_in_every_column_and_row_that_it_spans(write):
    assert text_of(write(SPANNING)).strip() == READ


def test_merged_cells_of_a_workbook_are_spread_too():
    rows = [["Planos", "", ""], ["Plano", "Preço", ""], ["", "Mensal", "Anual"]]
    data = sheet(*rows, ["Ouro", 10, ""], ["", 9, 90])
    merged = "".join(f'<mergeCell ref="{r}"/>' for r in ("A1:C1", "A2:A3", "B2:C2", "A4:A5"))
    book = data.replace("</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>")
    assert text_of(xlsx_with({"A": book})) == (
        "# A\n\nPlanos\n\n- Plano: Ouro — Preço Mensal: 10\n"
        "- Plano: Ouro — Preço Mensal: 9 — Preço Anual: 90"
    )


def test_a_row_that_begins_later_and_empty_cells_written_once_keep_the_columns():
    row = '<w:tr><w:trPr><w:gridBefore w:val="2"/></w:trPr>'
    cells = f"<w:tc>{paragraph('R$ 3')}</w:tc>"
    table = word_table(["Plano", "Mensal", "Anual"]).replace("</w:tbl>", f"{row}{cells}</w:tr>")
    assert text_of(docx_with(f"{table}</w:tbl>")) == "- Anual: R$ 3"
    empty = '<table:table-cell table:number-columns-repeated="2"/>'
    text = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = (
        f"<table:table-row>{''.join(map(text.format, ['Plano', 'Mensal', 'Anual']))}{empty}",
        f"<table:table-row>{empty}{text.format('R$ 3')}",
    )
    body = "</table:table-row>".join((*rows, ""))
    assert text_of(open_document("text", f"<table:table>{body}</table:table>")) == "- Anual: R$ 3"


def test_a_form_of_merged_cells_says_each_thing_once():
    form: list[list[Cell]] = [["Nome:", ("Ana", 4, 1)], ["Cidade:", ("Recife", 4, 1)]]
    assert text_of(docx(form)) == "- Nome: — Ana\n- Cidade: — Recife"


@pytest.mark.parametrize("write", [docx, html])
def test_spans_beyond_reason_are_bounded(write):
    rows: list[list[Cell]] = [["Plano", "Preço"], [("Ouro", 999_999_999, 1), "R$ 1"]]
    assert text_of(write(rows)) == "- Plano: Ouro — Preço: Ouro — R$ 1"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ("Plano|2025|2026\nOuro|100|120", ["Plano: Ouro — 2025: 100 — 2026: 120"]),
        ("Plano|2025|2026\nOuro|2000|2100", ["Plano: Ouro — 2025: 2000 — 2026: 2100"]),
        ("Mês|01/2025|02/2025\nOuro|9,50|8", ["Mês: Ouro — 01/2025: 9,50 — 02/2025: 8"]),
        ("Número|36|38|40\nBusto|80|85|92", ["Número: Busto — 36: 80 — 38: 85 — 40: 92"]),
        ("Peso|0-10|11-20\nFrete|R$5|R$8", ["Peso: Frete — 0-10: R$5 — 11-20: R$8"]),
        ("Plano|Preço\nOuro|10", ["Plano: Ouro — Preço: 10"]),
        # These are data.
        ("Ouro|10|100\nPrata|5|50", ["Ouro — 10 — 100", "Prata — 5 — 50"]),
        ("Ouro|10|20|30\nPrata|20|40|60", ["Ouro — 10 — 20 — 30", "Prata — 20 — 40 — 60"]),
        ("Obra|2015|x\nReforma|2020|y", ["Obra — 2015 — x", "Reforma — 2020 — y"]),
        ("Fundação|1998\nCidade|Recife", ["Fundação — 1998", "Cidade — Recife"]),
        ("Ouro|R$10\nPrata|R$9", ["Ouro — R$10", "Prata — R$9"]),
        ("Ana|a@x.example\nBia|b@x.example", ["Ana — a@x.example", "Bia — b@x.example"]),
        ("Loja1|Recife\nLoja2|Olinda", ["Loja1 — Recife", "Loja2 — Olinda"]),
    ],
)
def test_the_first_row_names_the_columns_unless_it_reads_like_data(rows, lines):
    cells = [row.split("|") for row in rows.split("\n")]
    assert [line for line, _ in table_lines(cells)] == lines


YEARS = [["Plano", "2025", "2026"], ["Ouro", "100", "120"]]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (xlsx_with({"A": sheet(["Plano", 2025, 2026], ["Ouro", 100, 120])}), "a.xlsx"),
        (b"Plano;2025;2026\nOuro;100;120", "a.csv"),
        (docx_with(word_table(*YEARS)), "a.docx"),
        (html([[*row] for row in YEARS]), "a.html"),
        (html([[*row] for row in YEARS]).replace(b"td", b"th", 6), "a.html"),
    ],
    ids=["xlsx", "csv", "docx", "html", "html with th"],
)
def test_years_name_columns_in_every_format(content, name):
    assert text_of(content, name).endswith("- Plano: Ouro — 2025: 100 — 2026: 120")


def test_a_row_that_the_file_marks_as_a_header_is_one_whatever_it_reads_like():
    marked = "<w:tr><w:trPr><w:tblHeader/></w:trPr>"
    table = word_table(["10", "20"], ["x", "y"]).replace("<w:tr>", marked, 1)
    assert text_of(docx_with(table)) == "- 10: x — 20: y"


def test_two_columns_of_a_page_are_a_header_and_rows_only_where_something_says_so():
    def read(*rows: list[Cell]) -> str:
        return text_of(html(list(rows)))

    assert read(["Nome", "Ana"], ["Cidade", "Recife"]) == "- Nome — Ana\n- Cidade — Recife"
    assert read(["Produto", "Preço"], ["Mesa", "R$ 9"]) == "- Produto: Mesa — Preço: R$ 9"
    bold: list[Cell] = ["<b>Nome</b>", "<strong>Cor</strong>"]
    assert read(bold, ["Mesa", "azul"]) == "- Nome: Mesa — Cor: azul"


def test_a_title_after_an_empty_row_does_not_hide_the_header_below_it():
    rows = [["a", "b"], ["1", "2"], ["", ""], ["Outra", ""], ["c", "d"], ["3", "4"]]
    assert [line for line, _ in table_lines(rows)] == ["a: 1 — b: 2", "Outra", "c: 3 — d: 4"]
