"""Lines of CSV (RFC 4180) that a spreadsheet shows and never runs."""

import re
from collections.abc import Sequence

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for Windows-1252, and every `ã` for two characters."""

# What begins a formula in Excel, LibreOffice or Sheets, also in its full-width form or after
# blanks, and what a program strips from before one (OWASP, "CSV Injection").
_FORMULA = re.compile(r"[\s\"']*[=+\-@＝＋－＠]|[\t\r\n]")
# A file that is opened with another separator is cut there, quotes or not, and a new cell begins.
_FORMULA_WITHIN = re.compile(r"([,;\t\r\n][\"' \u00a0]*)(?=[=+\-@＝＋－＠])")

_SEPARATING = re.compile(r'[",;\t\r\n]')


def csv_line(cells: Sequence[object], *, delimiter: str = ",") -> str:
    """One line with its line end; None is an empty cell, booleans are `true` and `false`."""
    return delimiter.join(_quoted(_text(cell)) for cell in cells) + "\r\n"


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    return _inert(str(cell))


def _inert(text: str) -> str:
    if text.isalnum():
        return text
    text = _FORMULA_WITHIN.sub(r"\1'", text)
    return "'" + text if _FORMULA.match(text) else text


def _quoted(text: str) -> str:
    # Always quoted where it could matter under any of the usual separators.
    return '"' + text.replace('"', '""') + '"' if _SEPARATING.search(text) else text
