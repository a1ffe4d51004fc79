"""Plain text in any common encoding."""

from app.adapters.parser.decoding import LIBRARIES, decode, looks_binary
from app.ports.parser import ParsedText, Parser


def _claims(content: bytes, name: str) -> bool:
    return not looks_binary(content)


def _parse(content: bytes) -> ParsedText:
    return ParsedText((decode(content),), is_markdown=False)


PARSER = Parser("text", "text/plain", (".txt", ".text"), _claims, _parse, LIBRARIES)
