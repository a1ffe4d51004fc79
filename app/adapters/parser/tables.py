"""Rows of a table as lines that can be understood alone: each cell with its column's name."""

import re
from collections.abc import Iterable, Iterator, Sequence

MAX_NAME_CHARS = 80
_NUMERIC = re.compile(r"[\s\d.,:/%+R$€£()-]+")


def labelled(header: Sequence[str], cells: Sequence[str]) -> str:
    """`Região: Sul — Valor: R$ 19,90`; cells without a name stand for themselves."""
    names = (*header, *[""] * (len(cells) - len(header)))
    return " — ".join(
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names, cells, strict=False)
        if cell
    )


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, bool]]:
    """A line for each row, and whether it is one of data rather than a title.

    The first row of nothing but names is the header; a table after an empty row has its own.
    """
    header: Sequence[str] = ()
    is_sought, has_rows = True, True
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            is_sought = True
        elif is_sought and _is_header(cells):
            if not has_rows:
                yield labelled((), header), False
            header, is_sought, has_rows = cells, False, False
        elif is_sought and not header and sum(map(bool, cells)) == 1:
            yield labelled((), cells), False
        else:
            is_sought, has_rows = False, True
            yield labelled(header, cells), True
    if not has_rows:
        yield labelled((), header), False


def _is_header(cells: Sequence[str]) -> bool:
    """Whether at least two cells, and all but a few, are filled, each with a short name."""
    filled = [cell for cell in cells if cell]
    if len(filled) < 2 or len(filled) < 0.6 * len(cells):
        return False
    return not any(len(cell) > MAX_NAME_CHARS or _NUMERIC.fullmatch(cell) for cell in filled)
