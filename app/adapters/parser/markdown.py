"""Markdown, by its name or by its signs."""

import re

from app.adapters.parser.decoding import LIBRARIES, decode, looks_binary
from app.ports.parser import ParsedText, Parser

EXTENSIONS = (".md", ".markdown")
_HEADING = re.compile(rb"^#{1,6} \S", re.MULTILINE)


def _claims(content: bytes, name: str) -> bool:
    if looks_binary(content):
        return False
    return name.lower().endswith(EXTENSIONS) or _HEADING.search(content[:20_000]) is not None


def _parse(content: bytes) -> ParsedText:
    return ParsedText((decode(content),), is_markdown=True)


PARSER = Parser("markdown", "text/markdown", EXTENSIONS, _claims, _parse, LIBRARIES)
