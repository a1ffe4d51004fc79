"""HTML: what a reader of the page sees, as Markdown; nothing that it names is ever fetched."""

import re

from app.adapters.parser import decoding, html_tree
from app.adapters.parser.decoding import decode, looks_binary
from app.adapters.parser.html_tree import tree_of
from app.adapters.parser.html_writer import MarkdownWriter
from app.ports.parser import ParsedText, Parser

EXTENSIONS = (".html", ".htm", ".xhtml")
_SNIFFED_BYTES = 4096
_PAGE = re.compile(
    rb"(?>\xef\xbb\xbf|\xff\xfe|\xfe\xff)?(?>\s+|<!--.*?-->|<\?.*?\?>)*+"
    rb"<(?:!doctype\s+html|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_FRAGMENT = re.compile(rb"\s*<[a-z][a-z0-9]*[\s>/]", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.IGNORECASE)


def _claims(content: bytes, name: str) -> bool:
    if looks_binary(content):
        return False
    head = content[:_SNIFFED_BYTES].replace(b"\x00", b"")
    is_fragment = name.lower().endswith(EXTENSIONS) and _FRAGMENT.match(head)
    return bool(is_fragment or _PAGE.match(head))


def _parse(content: bytes) -> ParsedText:
    declared = _CHARSET.search(content[:_SNIFFED_BYTES])
    text = decode(content, declared=declared[1].decode("ascii") if declared else None)
    return ParsedText((MarkdownWriter().written(tree_of(text)),), is_markdown=True)


PARSER = Parser(
    "html", "text/html", EXTENSIONS, _claims, _parse, (*decoding.LIBRARIES, *html_tree.LIBRARIES)
)
