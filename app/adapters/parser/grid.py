"""A table whose cells span columns and rows, laid out so that each value is in its column."""

from app.adapters.parser.tables import Repeated, labelled

MAX_SPAN = 100
# What is longer stands in the first of its columns and rows alone.
MAX_REPEATED_CHARS = 200
_MAX_TITLES = 3


class Grid:
    """A table while its rows are read. A short text is in every column and row that it spans."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._titles = 0
        # The rows that are still to be covered from above, by column.
        self._down: dict[int, int] = {}
        self._cells = 0

    def begin_row(self, *, is_title: bool = False) -> None:
        """The next row. Titles are marked as such in the file, and come before all other rows."""
        self._end_row()
        self._rows.append([])
        self._cells = 0
        if is_title:
            self.mark_title()

    def mark_title(self) -> None:
        """The row that has begun is one of names."""
        if self._titles == len(self._rows) - 1 < _MAX_TITLES:
            self._titles += 1

    def cell(self, text: str, *, across: int = 1, down: int = 1) -> None:
        """The next cell, in the first column that nothing above covers."""
        if not self._rows:
            return
        self._cover()
        row = self._rows[-1]
        for column in range(len(row), len(row) + across):
            self._down[column] = down - 1
        row += [text, *[Repeated(_again(text))] * (across - 1)]
        self._cells += 1

    def continued(self, *, across: int = 1) -> None:
        """A cell that goes on with the one above it."""
        for _ in range(across if self._rows else 0):
            self._rows[-1].append(self._above())
        self._cells += 1

    def finished(self) -> tuple[list[list[str]], int]:
        """All rows, and how many of them are titles."""
        self._end_row()
        return self._rows, self._titles if self._titles < len(self._rows) else 1

    def in_a_line(self) -> str:
        """All of it, for the cell that holds it."""
        rows = (labelled((), row) for row in self.finished()[0])
        return "; ".join(row for row in rows if row)

    def _end_row(self) -> None:
        if not self._rows:
            return
        row = self._rows[-1]
        last = max((column for column, left in self._down.items() if left), default=-1)
        self._cover()
        while len(row) <= last:
            row.append("")
            self._cover()
        if self._cells == 1 and all(isinstance(cell, Repeated) for cell in row[1:]):
            del row[1:]

    def _cover(self) -> None:
        row = self._rows[-1]
        while left := self._down.get(len(row), 0):
            self._down[len(row)] = left - 1
            row.append(self._above())

    def _above(self) -> str:
        column = len(self._rows[-1])
        above = self._rows[-2] if len(self._rows) > 1 else []
        return _again(above[column]) if column < len(above) else ""


def span(value: str | None) -> int:
    """How many columns or rows an attribute says; one where it says nothing that counts."""
    digits = (value or "").strip()[:6]
    return max(1, min(int(digits), MAX_SPAN)) if digits.isdecimal() else 1


def _again(text: str) -> str:
    return text if len(text) <= MAX_REPEATED_CHARS else ""
