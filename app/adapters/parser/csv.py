"""Tables in plain text, whatever their columns are parted by."""

import csv
import re
from collections import Counter
from collections.abc import Iterator

from app.adapters.parser.blocks import Blocks
from app.adapters.parser.decoding import LIBRARIES, decode, looks_binary
from app.ports.parser import DocumentEmpty, DocumentTooComplex, ParsedText, Parser

EXTENSIONS = (".csv", ".tsv")
MAX_ROWS = 1_000_000
MAX_CELL_CHARS = 1_000_000
_HEAD_BYTES = 16_384
_DELIMITERS = ";\t,|"
# A comma is in every sentence; what these part is a table, whatever the file is called.
_TELLING = ";\t"
_LINES = 20
_LEAST_LINES = 4
_LEAST_COLUMNS = 3
_LINE_END = re.compile(r"\r\n|\r|\n")


def _claims(content: bytes, name: str) -> bool:
    if looks_binary(content):
        return False
    if name.lower().endswith(EXTENSIONS):
        return True
    head = content[:_HEAD_BYTES].replace(b"\x00", b"").decode("latin-1")
    lines = [line for line in _LINE_END.split(head)[:_LINES] if line.strip()]
    if len(content) > _HEAD_BYTES:
        lines = lines[:-1]
    return any(_parts(lines, delimiter) for delimiter in _TELLING)


def _parts(lines: list[str], delimiter: str) -> bool:
    counts = {line.count(delimiter) for line in lines}
    return len(lines) >= _LEAST_LINES and len(counts) == 1 and min(counts) >= _LEAST_COLUMNS - 1


def _parse(content: bytes) -> ParsedText:
    text = decode(content).replace("\x00", "").removeprefix("\ufeff")
    declared = re.match(r"sep=(.)\r?\n", text)
    text = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _delimiter(text[:_HEAD_BYTES])
    blocks = Blocks()
    try:
        blocks.table(_rows(text, delimiter, csv.QUOTE_MINIMAL))
    except csv.Error:
        # A quotation mark that nothing closes, and all the rest of the file is one cell.
        blocks = Blocks()
        blocks.table(_rows(text, delimiter, csv.QUOTE_NONE))
    if not blocks.text:
        raise DocumentEmpty
    return ParsedText((blocks.text,), is_markdown=True)


def _rows(text: str, delimiter: str, quoting: int) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_CELL_CHARS if quoting == csv.QUOTE_MINIMAL else len(text) + 1)
    lines = (line + "\n" for line in _LINE_END.split(text))
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter, quoting=quoting)):  # pyright: ignore[reportArgumentType]
        if number == MAX_ROWS:
            raise DocumentTooComplex(f"It has more than {MAX_ROWS:,} rows. Split it.")
        yield row


def _delimiter(head: str) -> str:
    """The sign that parts most lines alike, outside of quotation marks."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in _LINE_END.split(head)[:_LINES]]

    def likeness(sign: str) -> tuple[int, int]:
        counts = Counter(line.count(sign) for line in lines if sign in line)
        return max(((alike, columns) for columns, alike in counts.items()), default=(0, 0))

    return max(_DELIMITERS, key=likeness)


PARSER = Parser("csv", "text/csv", EXTENSIONS, _claims, _parse, LIBRARIES)
