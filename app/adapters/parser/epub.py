"""EPUB: the chapters in the order in which they are read, each as the HTML that it is."""

from collections.abc import Mapping
from urllib.parse import unquote

from app.adapters.parser import archive, decoding, html_tree, xml_reading
from app.adapters.parser.archive import Archive, mimetype_of, path_of
from app.adapters.parser.decoding import decode
from app.adapters.parser.html_tree import tree_of
from app.adapters.parser.html_writer import MarkdownWriter
from app.adapters.parser.xml_reading import read_xml
from app.ports.parser import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentUnreadable,
    DocumentWithoutText,
    ParsedText,
    Parser,
)

EXTENSIONS = (".epub",)
CONTENT_TYPE = "application/epub+zip"
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html")


class _Book:
    """Hears the container, the package and the list of what is encrypted."""

    def __init__(self) -> None:
        self.package = ""
        self.items: dict[str, str] = {}
        self.spine: list[str] = []
        self.encrypted: set[str] = set()
        self.has_pictures = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "rootfile" and not self.package:
            self.package = attributes.get("full-path", "")
        elif name == "item":
            kind = attributes.get("media-type", "")
            self.has_pictures = self.has_pictures or kind.startswith("image/")
            if kind in _PAGES:
                self.items[attributes.get("id", "")] = unquote(attributes.get("href", ""))
        elif name == "itemref":
            self.spine.append(attributes.get("idref", ""))
        elif name == "CipherReference":
            self.encrypted.add(unquote(attributes.get("URI", "")))

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass

    def chapters(self) -> list[str]:
        """The entries that are read, in their order, each once."""
        found = (path_of(self.package, self.items[key]) for key in self.spine if key in self.items)
        return list(dict.fromkeys(found))


def _claims(content: bytes, name: str) -> bool:
    return mimetype_of(content) == CONTENT_TYPE


def _parse(content: bytes) -> ParsedText:
    parts, book = Archive(content), _Book()
    for name in (_CONTAINER, *(one for one in (_ENCRYPTION,) if one in parts.names)):
        _hear(parts, name, book)
    _hear(parts, book.package, book)
    chapters = [name for name in book.chapters() if name in parts.names]
    if not chapters:
        raise DocumentUnreadable("The book is damaged: it has no chapters.")
    # Fonts are often encrypted in books that anybody may read.
    if book.encrypted.intersection(chapters):
        raise DocumentEncrypted("The book is protected against copying.")
    texts = [text for name in chapters if (text := _chapter(parts.read(name)))]
    if not texts:
        raise DocumentWithoutText("It holds pictures only.") if book.has_pictures else DocumentEmpty
    return ParsedText(("\n\n".join(texts),), is_markdown=True)


def _hear(parts: Archive, name: str, book: _Book) -> None:
    with parts.open(name) as source:
        read_xml(source, book)


def _chapter(content: bytes) -> str:
    return MarkdownWriter().written(tree_of(decode(content))) if content.strip() else ""


PARSER = Parser(
    "epub",
    CONTENT_TYPE,
    EXTENSIONS,
    _claims,
    _parse,
    (*archive.LIBRARIES, *xml_reading.LIBRARIES, *decoding.LIBRARIES, *html_tree.LIBRARIES),
)
