"""How the cells of a sheet show their numbers, row by row, beside the values as they are read.

Cells are found by their tags in the bytes, not by `read_xml`: that takes a quarter of the time.
Nothing is resolved for it, and what is missed is shown as a bare number.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from app.adapters.parser.number_formats import Look

_PIECE_BYTES = 64 * 1024
# No tag is that long; what looks like one is not gathered on and on.
_MAX_TAG_BYTES = 1024 * 1024
_FOR_EVER = 2**63

LooksOfRows = tuple[int, int, Mapping[int, Look]]
"""The first and the last of equal rows, and the looks of their cells by column."""


class Looks:
    """Those of one sheet, asked for its rows in their order: none but the row's own are kept.

    Of rows that stand in the file against their order, some are without.
    """

    def __init__(self, rows: Iterator[LooksOfRows]) -> None:
        self._rows = rows
        self._first, self._last = -1, -1
        self._looks: Mapping[int, Look] = {}

    def of_row(self, number: int) -> Mapping[int, Look]:
        """By column. Both count from nought."""
        while self._last < number:
            self._first, self._last, self._looks = next(self._rows, (_FOR_EVER, _FOR_EVER, {}))
        return self._looks if self._first <= number else {}


LooksOf = Callable[[int, str], Looks]
"""The looks of a sheet by its place among all and its name; asked once for each, in order."""

NO_LOOKS = Looks(iter(()))


def no_looks(_number: int, _name: str) -> Looks:
    """Those of a file whose numbers are read bare."""
    return NO_LOOKS


def pieces(source: IO[bytes], sign: bytes) -> Iterator[bytes]:
    """A file in pieces that end where a `sign` begins, unless the next one is far away.

    Damage ends it, and a tag that goes on and on.
    """
    rest = b""
    try:
        with source:
            while piece := source.read(_PIECE_BYTES):
                rest += piece
                place = rest.rfind(sign)
                if place > 0:
                    yield rest[:place]
                    rest = rest[place:]
                elif place < 0:
                    rest = _end_of(rest, sign)
                elif len(rest) > _MAX_TAG_BYTES:
                    if b">" not in rest:
                        return
                    yield rest
                    rest = _end_of(rest, sign)
        yield rest
    except (zipfile.BadZipFile, zlib.error, EOFError):
        return


def _end_of(rest: bytes, sign: bytes) -> bytes:
    """What may be the beginning of a sign."""
    return rest[max(0, len(rest) - len(sign) + 1) :]
