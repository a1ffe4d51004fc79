"""Text that appears as it arrives, wrapped between words and indented."""

import re
from collections.abc import Callable

_SPACE = re.compile(r"(\s)")


class FlowingText:
    """Writes pieces of any size; only a word that is not whole yet is held back."""

    def __init__(self, write: Callable[[str], None], *, indent: int, width: int) -> None:
        self._write = write
        self._indent = indent
        self._width = width
        self._column = indent
        self._held_back = ""
        self._space_due = False
        self._indent_due = False

    def add(self, piece: str) -> None:
        """Show the next piece."""
        *whole, self._held_back = _SPACE.split(self._held_back + piece)
        for word, space in zip(whole[::2], whole[1::2], strict=True):
            self._put(word)
            if space == "\n":
                self._new_line()
            else:
                self._space_due = True

    def end(self) -> None:
        """Show what was held back and end the line."""
        self._put(self._held_back)
        self._held_back = ""
        self._write("\n")

    def _put(self, word: str) -> None:
        if not word:
            return
        if self._space_due and self._column > self._indent:
            if self._column + 1 + len(word) > self._width:
                self._new_line()
            else:
                self._write(" ")
                self._column += 1
        if self._indent_due:
            self._write(" " * self._indent)
        self._space_due = self._indent_due = False
        self._write(word)
        self._column += len(word)

    def _new_line(self) -> None:
        self._write("\n")
        self._column = self._indent
        self._space_due, self._indent_due = False, True
