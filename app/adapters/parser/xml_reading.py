"""XML as a flow of beginnings, ends and texts: no tree, no DTD, no entity, nothing fetched."""

from collections.abc import Mapping
from functools import lru_cache
from typing import IO, Protocol

from app.adapters.parser.archive import unpacking
from app.ports.parser import DocumentTooComplex, DocumentUnreadable

LIBRARIES = ("lxml.etree",)
_PIECE_BYTES = 64 * 1024
MAX_DEPTH = 256
# How libxml2 words that something is longer or larger than it lets pass.
_EXCESSES = ("amplification", "too long", "resource limit", "huge")


class Listener(Protocol):
    """What hears an XML file out. Names come without their namespaces."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, name: str) -> None:
        """The innermost element ends."""
        ...

    def data(self, text: str) -> None:
        """Text of the innermost element, or a piece of it."""
        ...


class _Target:
    """The listener as lxml calls one."""

    def __init__(self, listener: Listener, most: int | None) -> None:
        self._listener = listener
        self._depth = 0
        self._left = most
        self.data = listener.data

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        # libxml2 counts only where it builds a tree.
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _excessive()
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise DocumentTooComplex("A list in it has too many entries. Split it.")
        # Of `id` and `r:id` the one that has a namespace is the reference.
        ordered = sorted(attributes, key=lambda key: key[0] == "{")
        self._listener.start(_local(tag), {_local(key): attributes[key] for key in ordered})

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._listener.end(_local(tag))

    def doctype(self, *_: object) -> None:
        raise DocumentUnreadable("It declares a document type, which such files do not have.")

    def close(self) -> None:
        """Nothing is built."""


@lru_cache(maxsize=2_000)
def _local(name: str) -> str:
    return name.rpartition("}")[2]


def read_xml(source: IO[bytes], listener: Listener, most: int | None = None) -> None:
    """Tell the listener all that is in the file, of `most` elements if that is given.

    Raises:
        DocumentUnreadable: it is not well-formed, has a DTD, or cannot be unpacked.
        DocumentTooComplex: it is nested too deeply, has too many elements, or a name or a text in
            it is too long.
    """
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    parser = etree.XMLParser(
        target=_Target(listener, most),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        with unpacking():
            while piece := source.read(_PIECE_BYTES):
                parser.feed(piece)
        parser.close()
    except etree.XMLSyntaxError as error:
        if any(words in str(error).lower() for words in _EXCESSES):
            raise _excessive() from None
        raise DocumentUnreadable("The file is damaged: its XML is not well-formed.") from None


def _excessive() -> DocumentTooComplex:
    return DocumentTooComplex(
        f"Its parts are nested more than {MAX_DEPTH} deep, or one is longer than 10 MB."
        " Simplify it, or split it."
    )
