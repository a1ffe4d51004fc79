"""Rows of a table as lines that can be understood alone: each cell with its column's name."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, zip_longest

MAX_NAME_CHARS = 80
_NUMERIC = re.compile(r"[\s\d.,:/%+R$€£()-]+")
# Numbers that name a column as well as words do: years, months, days, ranges.
_YEAR = r"(?:19|20)\d\d"
_LABEL = re.compile(
    rf"{_YEAR}(?:[-/](?:\d\d|{_YEAR})(?:-\d\d)?)?|\d\d?/(?:{_YEAR}|\d\d?(?:/\d\d(?:\d\d)?)?)"
    r"|\d{1,3} ?- ?\d{1,3}|\d+\+"
)
# An address, a price with whatever is said about it, and what a form asks for: `Nome:`.
_VALUE = re.compile(r"\S@\S|https?://|www\.|^(?:R\$|US\$|€|£)\s*\d|:$")
_LEAST_NUMBERS = 3


class Repeated(str):
    """The text of a cell that spans columns, in those after its first."""

    __slots__ = ()


def labelled(header: Sequence[str], cells: Sequence[str]) -> str:
    """`Região: Sul — Valor: R$ 19,90`; cells without a name stand for themselves, once."""
    names = (*header, *[""] * (len(cells) - len(header)))
    return " — ".join(
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names, cells, strict=False)
        if cell and (name or not isinstance(cell, Repeated))
    )


def table_lines(
    rows: Iterable[Sequence[str]], *, titles: int = 0, is_guessed: bool = True
) -> Iterator[tuple[str, bool]]:
    """A line for each row, and whether it is one of data rather than a title.

    The header is the first `titles` rows, or else, if it is to be guessed, the first row that
    reads like one. A table after an empty row has its own.
    """
    header: Sequence[str] = ()
    is_sought, has_rows = is_guessed, True
    for number, (cells, below) in enumerate(pairwise(chain(_collapsed(rows), [[]]))):
        is_title = number < titles
        if not any(cells):
            is_sought = is_guessed
        elif _is_caption(cells, header, is_sought=len(below) > 1 if is_title else is_sought):
            yield labelled((), cells), False
        elif not has_rows and (is_title or _goes_on(header, cells, below)):
            header = _joined(header, cells)
        elif is_title or (is_sought and is_header(cells, below)):
            if not has_rows:
                yield labelled((), header), False
            header, is_sought, has_rows = cells, False, False
        else:
            is_sought, has_rows = False, True
            yield labelled(header, cells), True
    if not has_rows:
        yield labelled((), header), False


def _collapsed(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    return ([type(cell)(" ".join(cell.split())) for cell in row] for row in rows)


def _is_caption(cells: Sequence[str], header: Sequence[str], *, is_sought: bool) -> bool:
    """Whether a row is one cell alone before a header, or one across the whole table."""
    return sum(map(bool, cells)) == 1 and (is_sought or len(cells) == 1 < len(header))


def is_header(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether the first row of a table names its columns, going by the row below it.

    At least two cells, and all but a few, are filled, each with a short name. What has numbers
    in it is a name where the cell below looks otherwise: `2025` above `R$ 10`, not above `2026`.
    """
    pairs = [*zip_longest(cells, below[: len(cells)], fillvalue="")]
    # Of a name that spans columns, those count that have names of their own below.
    filled = [one for one, under in pairs if one and not _spans(one, under)]
    if len(filled) < 2 or len(filled) < 0.6 * len(cells):
        return False
    if any(len(cell) > MAX_NAME_CHARS or _VALUE.search(cell) for cell in filled):
        return False
    if _is_series(cells):
        return not _is_series(below)
    numbers = [cell for cell in filled if _NUMERIC.fullmatch(cell)]
    # `Fundação | 1998` is more often a fact than two names.
    if len(numbers) == 1 and len(filled) == 2:
        return False
    return all(map(_LABEL.fullmatch, numbers)) and not any(
        _shape(name) == _shape(cell) for name, cell in pairs if re.search(r"\d", name)
    )


def _spans(cell: str, below: str) -> bool:
    return isinstance(cell, Repeated) and (not below or isinstance(below, Repeated))


def has_figures_below(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last column holds a number in every row but the first, which has no number."""
    first, *others = ["".join(row[-1:]) for row in rows] or [""]
    return not re.search(r"\d", first) and all(re.search(r"\d", cell) for cell in others)


def _shape(cell: str) -> str:
    return re.sub(r"\d+", "0", re.sub(rf"\b{_YEAR}\b", "year", cell))


def _is_series(cells: Sequence[str]) -> bool:
    """Whether numbers at even distances follow a name: `2025, 2026` or `36, 38, 40`."""
    name, *others = cells or ("",)
    numbers = [int(cell) for cell in others if re.fullmatch(r"\d{1,4}", cell)]
    steps = {after - before for before, after in pairwise(numbers)}
    if len(numbers) < len(others) or _NUMERIC.fullmatch(name) or len(steps) != 1 or 0 in steps:
        return False
    are_years = all(re.fullmatch(_YEAR, cell) for cell in others) and steps <= {1, -1}
    return are_years or len(numbers) >= _LEAST_NUMBERS


def _goes_on(header: Sequence[str], cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether a name spans columns that have names of their own in the row below."""
    return any(isinstance(name, Repeated) for name in header) and is_header(cells, below)


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    return [
        one if one == other else f"{one} {other}".strip()
        for one, other in zip_longest(upper, lower, fillvalue="")
    ]
