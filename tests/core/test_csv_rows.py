"""Tables that spreadsheets show and never run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.csv_rows import csv_line

HOSTILE = st.text(st.sampled_from("=+-@＝＋－＠\t\r\n,;\"' a1|\u00a0"), max_size=12) | st.text(
    max_size=20
)
BEGINNINGS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


@given(st.lists(HOSTILE, min_size=2, max_size=5), st.sampled_from(",;"))
def test_any_text_comes_back_as_one_cell(cells, delimiter):
    (line,) = csv.reader(io.StringIO(csv_line(cells, delimiter=delimiter), ""), delimiter=delimiter)
    assert len(line) == len(cells)
    for kept, given_text in zip(line, cells, strict=True):
        assert kept.replace("'", "") == given_text.replace("'", "")


@given(st.lists(HOSTILE, min_size=1, max_size=4), st.sampled_from(",;"))
def test_no_cell_begins_a_formula_whichever_separator_it_is_opened_with(cells, delimiter):
    line = csv_line(cells, delimiter=delimiter)
    for opened_with in ",;\t":
        for row in csv.reader(io.StringIO(line, ""), delimiter=opened_with):
            for cell in row:
                # An apostrophe stands somewhere before whatever could begin a formula.
                assert not cell.lstrip(' \u00a0"').startswith(BEGINNINGS), repr(cell)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+5511987654321", "'+5511987654321"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" \t=1", "\"' \t'=1\""),
        ("\rx", '"\'\rx"'),
        ("a;=1+1", '"a;\'=1+1"'),
        ('diz "oi", ela', '"diz ""oi"", ela"'),
        (-5, "-5"),
        (True, "true"),
        (None, ""),
        ("João", "João"),
    ],
)
def test_a_cell_is_written_so(cell, written):
    assert csv_line([cell]) == written + "\r\n"
