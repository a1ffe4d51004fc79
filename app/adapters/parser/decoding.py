"""Bytes into clean text, whatever encoding they were saved in."""

import unicodedata

from charset_normalizer import from_bytes

from app.ports.parser import DocumentEmpty, DocumentUnreadable

# NUL would be refused by the database; the others have no meaning in a text.
_CONTROLS = {code: None for code in range(32) if chr(code) not in "\n\t"} | {0x7F: None}
# Unicode's "tag" characters are invisible and only serve to hide instructions to models.
_TAGS = dict.fromkeys(range(0xE0000, 0xE0080))
_BINARY_SIGNS = (
    b"%PDF-",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"\xd0\xcf\x11\xe0",
    b"MZ",
)


def looks_binary(content: bytes) -> bool:
    """Whether the bytes are plainly no text: a known signature, or NULs without a UTF mark."""
    if content.startswith(_BINARY_SIGNS):
        return True
    has_mark = content.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"))
    return b"\x00" in content[:4096] and not has_mark


def decode(content: bytes) -> str:
    """The text, normalised to NFC, with LF line ends and no control characters.

    Raises:
        DocumentUnreadable: the bytes are no text in any encoding that could be told.
        DocumentEmpty: nothing but white space.
    """
    if looks_binary(content):
        raise DocumentUnreadable("The file is not a text file.")
    text = unicodedata.normalize("NFC", _decoded(content).replace("\r\n", "\n").replace("\r", "\n"))
    clean = text.translate(_CONTROLS | _TAGS)
    if not clean.strip():
        raise DocumentEmpty("The file holds no text.")
    return clean


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(content[:1_000_000]).best()
    if best is None:
        raise DocumentUnreadable("The text encoding could not be told; save the file as UTF-8.")
    try:
        return content.decode(best.encoding)
    except (UnicodeDecodeError, LookupError):
        raise DocumentUnreadable("The file mixes text encodings; save it as UTF-8.") from None
