"""Numbers of spreadsheets, read as their cells show them: percentages, currencies, postcodes."""

import pytest

from app.adapters.parser import PARSERS, ods_looks
from app.adapters.parser.archive import Archive
from app.adapters.parser.sandbox.orders import Limits
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.ports.parser import Cut
from tests.adapters.parser.test_office_formats import text_of
from tests.support.office_files import (
    open_document,
    raw_sheet,
    sheet_styles,
    xlsx_with,
)

pytestmark = pytest.mark.anyio
REAL = '_-"R$"\\ * #,##0.00_-;\\-"R$"\\ * #,##0.00_-;_-"R$"\\ * "-"??_-;_-@_-'
SIGNED = "+0%;-0%;0%"
ARROWS = '"▲ "0%;"▼ "0%;"igual"'
CPF = '000"."000"."000\\-00'


def book(*rows: str, formats: tuple[str | int, ...], **more: str | bytes) -> bytes:
    """A workbook whose first sheet is these rows."""
    styles = {"xl/styles.xml": sheet_styles(*formats)}
    return xlsx_with({"A": raw_sheet("".join(rows))}, **{**styles, **more})


def shown(code: str | int, value: object) -> str:
    """What is read of a cell of this format."""
    cell = f'<row r="1"><c r="A1" s="1"><v>{value}</v></c></row>'
    return text_of(book(cell, formats=(code,))).removeprefix("# A\n\n- ").removeprefix("# A\n\n")


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("0%", 0.15, "15%"),
        ("0.00%", 0.1525, "15.25%"),
        ("0.0%", 0.15, "15.0%"),
        ("0.##%", 0.155, "15.5%"),
        ("0.##%", 0.15, "15%"),
        ("0 %", 0.15, "15%"),
        ("[Red]0%;-0%", -0.5, "-50%"),
        ("0%", 0.285, "29%"),
        ("0.00%", 0, "0.00%"),
        (9, 0.15, "15%"),
        (10, 0.15, "15.00%"),
        ("[$R$-416]\\ #,##0.00", 19.9, "R$ 19.90"),
        ("[$R$-416]#,##0.00;[Red]\\-[$R$-416]#,##0.00", -1234.5, "-R$ 1234.50"),
        ('"R$"#,##0', 1234.5, "R$ 1235"),
        ("R$ #,##0.00", 19.9, "R$ 19.90"),
        ('"R$ "0.00"/kg"', 19.9, "R$ 19.90/kg"),
        ('"R$ "0.00', -0.001, "R$ 0.00"),
        (REAL, 1234.5, "R$ 1234.50"),
        (REAL, -3, "-R$ 3.00"),
        (REAL, 0, "R$ 0.00"),
        ("0.00\\ [$€-407]", 19.9, "19.90 €"),
        ("#,##0.00 €", 19.9, "19.90 €"),
        ("[$£-809]#,##0.00", 1.005, "£ 1.01"),
        ("[$USD] #,##0.00", 5, "USD 5.00"),
        (5, 19, "$ 19"),
        (7, 19.9, "$ 19.90"),
        (44, 19.9, "$ 19.90"),
        ('0.0" kg"', 2.5, "2.5 kg"),
        ("00000", 1310, "01310"),
        ("00000", 13.5, "00014"),
        ("00000\\-000", 1310100, "01310-100"),
        ("00000-000", 1310100, "01310-100"),
        (CPF, 123456789, "001.234.567-89"),
        ("(##)\\ #####\\-####", 11987654321, "(11) 98765-4321"),
        (SIGNED, 0.05, "+5%"),
        (SIGNED, -0.05, "-5%"),
        (SIGNED, 0, "0%"),
        ("0%;−0%", -0.05, "-5%"),
        ('"R$ "+0.00;"R$ "\\-0.00', -5, "-R$ 5.00"),
        ('"$"#,##0_);[Red]\\("$"#,##0\\)', -5, "-$ 5"),
        (ARROWS, 0.05, "▲ 5%"),
        ('"Lucro: "0.00;"Prejuízo: "0.00', 5, "Lucro: 5.00"),
        ('"Lucro: "0.00;"Prejuízo: "0.00', 0, "Lucro: 0.00"),
    ],
)
def test_a_number_is_read_as_its_cell_shows_it(code, value, text):
    assert shown(code, value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("General", 0.15, "0.15"),
        ("#,##0.00", 19.9, "19.9"),
        ("[$-416]0.00", 19.9, "19.9"),
        (3, 1234, "1234"),
        (37, 1234, "1234"),
        ('0"."000', 1234, "1234"),
        ("# ?/?", 0.5, "0.5"),
        ("0.00E+00", 1234, "1234"),
        ('0.0,,"mi"', 1500000, "1500000"),
        ("[<=1]0%;0.00", 0.5, "0.5"),
        ("0%%", 0.5, "0.5"),
        ('"sim";"não"', 1, "1"),
        ('"R$ "' + '"x"' * 100 + "0", 1, "1"),
        ("0." + "0" * 50 + "%", 0.5, "0.5"),
        ("0" * 33, 1, "1"),
        ("0-" * 32 + "0", 1, "1"),
        (ARROWS, -0.05, "-0.05"),
        (ARROWS, 0, "0"),
        ('#,##0.00" CR";#,##0.00" DR"', -100, "-100"),
        ('"Lucro: "0.00;"Prejuízo: "0.00', -5, "-5"),
        ("0%;General", -0.05, "-0.05"),
        ('0%;-0%;"-"', 0, "0"),
        ("0%", "1e300", "1e+300"),
        ("", 0.15, "0.15"),
        (14, 45292, "2024-01-01"),
        ('dd/mm/yyyy" R$"', 45292, "2024-01-01"),
        (20, 0.5, "12:00:00"),
        ("[h]:mm", 1.5, "1 day, 12:00:00"),
    ],
)
def test_all_else_is_read_as_before(code, value, text):
    assert shown(code, value) == text


def test_looks_are_in_the_cells_that_have_them_wherever_those_stand():
    rows = (
        '<row r="3"><c r="C3" t="inlineStr"><is><t>Item</t></is></c>'
        '<c r="D3" s="1" t="inlineStr"><is><t>Desconto</t></is></c>'
        '<c r="E3" t="inlineStr"><is><t>Valor</t></is></c></row>',
        # Empty cells with a format, a formula with its last value, an order of its own.
        '<row r="5"><c r="C5"><v>1</v></c><c r="D5" s="1"/><c s="2" r="E5"><f>1+1</f><v>2</v></c>'
        "</row>",
        # No places at all.
        '<row><c><v>2</v></c></row><row r="8"><c r="C8"><v>3</v></c><c s="1"><v>0.5</v></c>'
        '<c t="n" s="2"><v>7</v></c></row><row r="9"><c r="E9" s="2" t="b"><v>1</v></c></row>',
    )
    assert text_of(book(*rows, formats=("0%", '"R$"0.00'))) == (
        "# A\n\n- Item: 1 — Valor: R$ 2.00\n- 2\n"
        "- Item: 3 — Desconto: 50% — Valor: R$ 7.00\n- Valor: True"
    )


def test_a_merged_cell_is_shown_in_all_its_rows_also_where_no_column_is_before():
    rows = (
        '<row r="1"><c r="C1" t="inlineStr"><is><t>Faixa</t></is></c>'
        '<c r="D1" t="inlineStr"><is><t>Item</t></is></c></row>'
        '<row r="2"><c r="C2" s="1"><v>0.15</v></c><c r="D2"><v>1</v></c></row>'
        '<row r="3"><c r="C3" s="1"/><c r="D3"><v>2</v></c></row>'
    )
    content = xlsx_with(
        {"A": raw_sheet(rows, merged="C2:C3")}, **{"xl/styles.xml": sheet_styles("0%")}
    )
    assert text_of(content).endswith("- Faixa: 15% — Item: 1\n- Faixa: 15% — Item: 2")


def test_each_sheet_has_its_own_looks_and_a_hidden_one_takes_none_away():
    cell = '<row r="1"><c r="A1" s="{}"><v>0.5</v></c></row>'
    sheets = {name: raw_sheet(cell.format(n)) for n, name in enumerate("ABC")}
    content = xlsx_with(sheets, hidden="B", **{"xl/styles.xml": sheet_styles("0%", '"R$"0.00')})
    assert text_of(content) == "# A\n\n0.5\n\n# C\n\nR$ 0.50"


def test_looks_of_a_long_sheet_are_found_to_its_end():
    rows = "".join(f'<row r="{n}"><c r="A{n}" s="1"><v>0.{n}</v></c></row>' for n in range(1, 9999))
    lines = text_of(book(rows, formats=("0.00%",))).split("\n\n")[1:]
    assert len(lines) == 9998
    assert all(line.endswith("%") for line in lines)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "0%">]>'
CELLS = '<row r="1"><c r="A1" s="1"><v>0.15</v></c></row>'


@pytest.mark.parametrize(
    "styles",
    [
        None,
        LAUGHS + sheet_styles("0%"),
        sheet_styles("0%").replace("</dxfs>", "<a>" * 300 + "</a>" * 300 + "</dxfs>"),
        sheet_styles("0%").replace("</dxfs>", "<a/>" * 800_000 + "</dxfs>"),
        sheet_styles("0%", *range(80_000)),
        sheet_styles("0%").replace('"0%"', f'"{"0" * 11_000_000}%"'),
        sheet_styles("0%", *(f'0" {n}"' for n in range(6_000))),
        "<styleSheet/>",
    ],
    ids=["missing", "entities", "deep", "elements", "styles", "a long code", "codes", "empty"],
)
def test_styles_that_cannot_be_read_leave_bare_numbers_and_take_little_time(monkeypatch, styles):
    monkeypatch.setattr("app.adapters.parser.archive.MAX_RATIO", 10_000)
    more = {} if styles is None else {"xl/styles.xml": styles}
    content = xlsx_with({"A": raw_sheet(CELLS)}, **more)
    assert text_of(content) == "# A\n\n0.15"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/_rels/workbook.xml.rels"])
def test_a_list_of_parts_that_goes_on_and_on_leaves_bare_numbers(monkeypatch, part):
    monkeypatch.setattr("app.adapters.parser.archive.MAX_RATIO", 10_000)
    content = book(CELLS, formats=("0%",))
    listed = Archive(content).read(part).decode()
    head, mark, end = listed.rpartition("</")
    longer = {part: f"{head}<a>{'<b/>' * 800_000}</a>{mark}{end}"}
    assert text_of(content) == "# A\n\n15%"
    assert text_of(book(CELLS, formats=("0%",), **longer)) == "# A\n\n0.15"


def test_of_two_cells_of_one_place_the_later_one_counts():
    rows = '<row r="1"><!-- <c r="A1" s="1"> --><c r="A1"><v>15</v></c><c r="B1" s="1"/></row>'
    assert text_of(book(rows, formats=("0%",))) == "# A\n\n15"


async def test_looks_are_read_within_the_sandbox():
    content = book(CELLS, formats=("0%",))
    with open_sandbox(Limits(cpu_s=10)) as sandbox:
        chunks = await sandbox.chunks(PARSERS["xlsx"], content, Cut(size=300, overlap=0))
    assert "15%" in chunks[0].content


ODS_ROW = "<table:table-row{}>{}</table:table-row>"
ODS_EMPTY = '<table:table-cell table:number-columns-repeated="2"/>'


def ods_cell(kind: str, value: object, text: str, more: str = "") -> str:
    kinds = f'office:value-type="{kind}" office:value="{value}"'
    return f"<table:table-cell {more} {kinds}><text:p>{text}</text:p></table:table-cell>"


def ods_table(name: str, *rows: str) -> str:
    return f'<table:table table:name="{name}">{"".join(rows)}</table:table>'


@pytest.mark.parametrize(
    ("kind", "value", "displayed", "text"),
    [
        ("percentage", 0.15, "15%", "15%"),
        ("percentage", 0.1525, "15,25%", "15.25%"),
        ("percentage", 0.1525, "15,25\xa0%", "15.25%"),
        ("percentage", 0.285, "29%", "29%"),
        ("percentage", -0.5, "-50%", "-50%"),
        ("currency", 19.9, "R$ 19,90", "R$ 19.90"),
        ("currency", 19.9, "R$\u202f19,90", "R$ 19.90"),
        ("currency", 1234.5, "R$ 1.234,50", "R$ 1234.50"),
        ("currency", 1234, "R$ 1.234", "R$ 1234"),
        ("currency", 5.799, "R$ 5,799", "R$ 5.799"),
        ("currency", -19.9, "-R$ 19,90", "-R$ 19.90"),
        ("currency", -19.9, "(R$ 19,90)", "-R$ 19.90"),
        ("currency", -5, " $(5.00)", "-$ 5.00"),
        ("currency", -5, "R$ (5,00)", "-R$ 5.00"),
        ("currency", -1234.5, "(1,234.50) €", "-1234.50 €"),
        ("currency", -5, "R$ 5,00-", "-R$ 5.00"),
        ("currency", -5, "5,00 € −", "-5.00 €"),
        ("currency", -5, "R$ - 5,00", "-R$ 5.00"),
        ("currency", -5, "-(R$ 5,00) (líquido)", "-R$ 5.00 (líquido)"),
        ("currency", -5, "(R$ 5,00", "-5"),
        ("currency", 5, "-R$ 5,00", "5"),
        ("float", 5, "XP-5 kg", "XP-5 kg"),
        ("float", 5, "Peso (5 kg)", "Peso (5 kg)"),
        ("currency", -5, "R$ 5,00--", "-5"),
        ("float", -5, "-5,0 (kg)", "-5.0 (kg)"),
        ("currency", 19.9, "19,90 &#8364;", "19.90 €"),
        ("currency", 19.9, "19,90 EUR", "19.90 EUR"),
        ("float", 2.5, "2,5 kg", "2.5 kg"),
        ("float", 1310, "01310", "01310"),
        ("float", 1310100, "01310-100", "01310-100"),
        ("float", 123456789, "001.234.567-89", "001.234.567-89"),
        ("float", 1234567, "1.234.567", "1234567"),
        ("float", 19.9, "19,90", "19.9"),
        ("float", 0.5, "1/2", "0.5"),
        ("float", 0, "0,00", "0"),
        ("percentage", 0.15, "vinte%", "0.15"),
        ("currency", 19.9, "R$ 29,90", "19.9"),
        ("currency", "1e300", "R$ 1", "1e+300"),
    ],
)
def test_an_ods_cell_is_read_as_it_is_displayed_where_its_value_agrees(
    kind, value, displayed, text
):
    table = ods_table("A", ODS_ROW.format("", ods_cell(kind, value, displayed)))
    assert text_of(open_document("spreadsheet", table)) == f"# A\n\n{text}"


def test_looks_of_ods_cells_are_in_their_places_though_cells_and_rows_repeat():
    percentage = ods_cell("percentage", 0.5, "50%", 'table:formula="of:=IF(1>0;1;0)"')
    price = ods_cell("currency", 0.5, "R$ 0,50", 'table:number-columns-repeated="2"')
    first = ods_table(
        "A",
        ODS_ROW.format(' table:number-rows-repeated="3"', ODS_EMPTY),
        ODS_ROW.format("", ODS_EMPTY + percentage + "<table:covered-table-cell/>" + price),
        ODS_ROW.format(' table:number-rows-repeated="2"', price + ods_cell("float", 0.5, "0,5")),
    )
    second = ods_table("B", ODS_ROW.format("", ods_cell("float", 0.5, "0,5")))
    third = ods_table("C", ODS_ROW.format("", percentage))
    assert text_of(open_document("spreadsheet", first + second + third)) == (
        "# A\n\n- 50% — R$ 0.50 — R$ 0.50\n- R$ 0.50 — R$ 0.50 — 0.5\n- R$ 0.50 — R$ 0.50 — 0.5"
        "\n\n# B\n\n0.5\n\n# C\n\n50%"
    )


def test_an_ods_cell_without_a_value_has_no_look_however_often_it_repeats():
    repeated = 'table:number-columns-repeated="16384"'
    formula = 'table:formula="of:=&quot; office:value=&quot;"'
    cell = f"<table:table-cell {formula} {repeated}><text:p>x%</text:p></table:table-cell>"
    content = open_document(
        "spreadsheet",
        ods_table(
            "A", ODS_ROW.format("", cell) * 300, ODS_ROW.format("", ods_cell("float", 5, "5 kg"))
        ),
    )
    looks = ods_looks.looks_in(Archive(content))(0, "A")
    assert [len(looks.of_row(number)) for number in (0, 299, 300)] == [0, 0, 1]


@pytest.mark.parametrize("far", ["", "<table:shapes/>"])
def test_looks_of_ods_cells_are_found_however_much_stands_before_them(monkeypatch, far):
    monkeypatch.setattr("app.adapters.parser.archive.MAX_RATIO", 10_000)
    more = "<text:tracked-changes>" + "<text:p>x</text:p>" * 100_000 + "</text:tracked-changes>"
    table = ods_table("A", ODS_ROW.format("", ods_cell("percentage", 0.15, "15%")))
    assert text_of(open_document("spreadsheet", far + more + table)) == "# A\n\n15%"
