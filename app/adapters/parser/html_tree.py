"""HTML as a tree, unless it is nested so deeply that building one would take for ever."""

import re
from typing import TYPE_CHECKING

from app.ports.parser import DocumentTooComplex

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

LIBRARIES = ("selectolax.lexbor",)
# At each block Lexbor looks through all that are open: its time grows with the square of these.
MAX_DEPTH = 5_000
# What ends only where it is told to; a script's text is no element.
_BLOCK = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<raw>script|style)\b.*?(?:</(?P=raw)|\Z)"
    r"|<(?P<end>/?)(?:address|article|aside|blockquote|center|details|dialog|div|dl|fieldset|figure"
    r"|footer|form|header|main|menu|nav|ol|pre|section|summary|table|ul)\b",
    re.IGNORECASE | re.DOTALL,
)


def tree_of(text: str) -> "LexborHTMLParser":
    """The page.

    Raises:
        DocumentTooComplex: its blocks are nested too deeply.
    """
    from selectolax.lexbor import LexborHTMLParser

    depth = 0
    for tag in _BLOCK.finditer(text):
        if tag["end"] is not None:
            depth = max(0, depth + (-1 if tag["end"] else 1))
        if depth > MAX_DEPTH:
            raise DocumentTooComplex(f"Its blocks are nested more than {MAX_DEPTH} deep.")
    # Lexbor would end the text at a NUL.
    return LexborHTMLParser(text.replace("\x00", ""))
