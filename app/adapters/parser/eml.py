"""A message of e-mail: who wrote to whom about what, and the text; attachments only by name."""

import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

from app.adapters.parser import decoding, html_tree
from app.adapters.parser.blocks import Blocks
from app.adapters.parser.decoding import decode, looks_binary
from app.adapters.parser.html_tree import tree_of
from app.adapters.parser.html_writer import MarkdownWriter
from app.ports.parser import DocumentEmpty, DocumentTooComplex, ParsedText, Parser

EXTENSIONS = (".eml",)
MAX_PARTS = 1_000
_HEAD_BYTES = 8_192
_HEADER = re.compile(
    rb"^(from|to|cc|subject|date|message-id|received|return-path|mime-version|delivered-to"
    rb"|content-type|dkim-signature|reply-to|x-[\w-]{1,60}):",
    re.IGNORECASE | re.MULTILINE,
)
_LEAST_HEADERS = 3
_SHOWN = (("from", "De"), ("to", "Para"), ("cc", "Cc"), ("date", "Data"))


def _claims(content: bytes, name: str) -> bool:
    if looks_binary(content):
        return False
    head = re.split(rb"\r?\n\r?\n", content[:_HEAD_BYTES], maxsplit=1)[0]
    names = {match[1].lower() for match in _HEADER.finditer(head)}
    return bool(_HEADER.match(head)) and b"from" in names and len(names) >= _LEAST_HEADERS


def _parse(content: bytes) -> ParsedText:
    message = BytesParser(policy=default).parsebytes(content)
    blocks = Blocks()
    blocks.heading(1, _header(message, "subject"))
    for name, shown in _SHOWN:
        if value := _header(message, name):
            blocks.item(f"{shown}: {value}")
    bodies = [text for part in _bodies(message) if (text := _text(part).strip())]
    names = [name for part in _parts(message) if (name := part.get_filename())]
    if names:
        blocks.item(f"Anexos: {', '.join(names)}")
    if not bodies and not names:
        raise DocumentEmpty
    return ParsedText(("\n\n".join((blocks.text, *bodies)),), is_markdown=True)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (ValueError, TypeError, IndexError, AttributeError):
        return ""  # what the library stumbles over in a header of a stranger


def _parts(message: EmailMessage) -> list[EmailMessage]:
    parts: list[EmailMessage] = []
    for part in message.walk():
        if len(parts) == MAX_PARTS:
            raise DocumentTooComplex(
                f"It has more than {MAX_PARTS:,} parts. Send its texts one by one."
            )
        parts.append(part)
    return parts


def _bodies(message: EmailMessage) -> list[EmailMessage]:
    """The plain texts, or else the HTML ones; nothing that is attached."""
    texts = [part for part in _parts(message) if not part.get_filename()]
    plain = [part for part in texts if part.get_content_type() == "text/plain"]
    return plain or [part for part in texts if part.get_content_type() == "text/html"]


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes) or not payload.strip() or looks_binary(payload):
        return ""
    text = decode(payload, declared=part.get_content_charset())
    if part.get_content_type() == "text/html":
        return MarkdownWriter().written(tree_of(text))
    return text


PARSER = Parser(
    "eml",
    "message/rfc822",
    EXTENSIONS,
    _claims,
    _parse,
    (*decoding.LIBRARIES, *html_tree.LIBRARIES, "email._header_value_parser", "quopri", "base64"),
)
