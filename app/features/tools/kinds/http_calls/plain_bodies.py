"""Bodies of plain text and of comma-separated values: a value stays in its line and cell."""

import csv
import io
import re

from app.features.tools.kinds.http_calls.errors import unfit
from app.features.tools.templates import PLACEHOLDER, Filling

_BREAKS = re.compile("[\r\n\v\f\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DELIMITERS = ",;\t"
_QUOTED = re.compile('[",;\t\r\n]|^\\s|\\s$')


def in_text(value: str) -> str:
    """On one line, so that a value cannot write lines of its own.

    Raises:
        ToolFailed: it holds a control character.
    """
    line = _BREAKS.sub(" ", value)
    if _CONTROLS.search(line):
        raise unfit("A value in the body holds a control character.")
    return line


def filled_rows(template: str, filling: Filling) -> str:
    """The template's cells filled one by one, and quoted as RFC 4180 says.

    Its delimiter is what it uses most of comma, semicolon and tab.

    Raises:
        ArgumentMissing: a placeholder has no value.
        ToolFailed: a value holds a control character.
    """
    bare = PLACEHOLDER.sub("", template)
    delimiter = max(_DELIMITERS, key=bare.count)
    end = "\r\n" if "\r\n" in template else "\n"
    rows = csv.reader(io.StringIO(template, newline=""), delimiter=delimiter)
    lines = (delimiter.join(_cell(filling.text(cell, _in_cell)) for cell in row) for row in rows)
    return end.join(lines) + (end if template.endswith("\n") else "")


def _in_cell(value: str) -> str:
    if _CONTROLS.search(value):
        raise unfit("A value in the body holds a control character.")
    return value


def _cell(text: str) -> str:
    escaped = text.replace('"', '""')
    return f'"{escaped}"' if _QUOTED.search(text) else text
