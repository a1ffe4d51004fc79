"""Bytes into characters, whatever encoding they were saved in."""

import codecs
import re
from encodings.aliases import aliases

from app.ports.parser import DocumentUnreadable

# The encodings that a text without any mark is tried for, commonest first.
CANDIDATES = (
    "cp1252",
    "iso8859_15",
    "cp1250",
    "iso8859_2",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp850",
    "mac_roman",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "utf_16_le",
    "utf_16_be",
)
LIBRARIES = (
    "charset_normalizer",
    *(f"encodings.{name}" for name in (*CANDIDATES, "utf_8_sig", "utf_16", "utf_32")),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF32_LE, "utf_32"),
    (codecs.BOM_UTF32_BE, "utf_32"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
)
_BINARY_SIGNS = (
    b"%PDF-",
    b"%!PS",
    b"PK\x03\x04",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"\x7fELF",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"{\\rtf",
    b"MZ",
)
_SAMPLE_BYTES = 1_000_000
# Portuguese in Latin-1 differs from Central European in a few letters, and statistics take one for
# the other: "promoçăo". So Western comes first wherever all of its marks stand where they belong.
_WESTERN = re.compile(r"[À-ÖØ-öø-ÿŠšŽžŒœ]")
_WESTERN_MARKS = frozenset("ªº°§©®™€£¢“”‘’«»–—…•·´`¨¡¿½¼¾²³¹×÷±\xa0\xad†‡‰‹›¶")
# A word of four accented letters is of another script, and marks do not stand within words.
_FOREIGN = re.compile(r"[À-ÿ]{4}|[a-zA-Z][²³¹½¼¾¡¿£¢×÷±¶¨†‡‰‹›ª][a-zA-Z]")


def looks_binary(content: bytes) -> bool:
    """Whether the bytes are plainly no text: a known signature, or NULs without a UTF mark."""
    if content.startswith(_BINARY_SIGNS):
        return True
    return b"\x00" in content[:4096] and _by_mark(content) is None


def decode(content: bytes, *, declared: str | None = None) -> str:
    """The text as it was meant, by its mark, as UTF-8, as declared, or as its bytes suggest.

    Raises:
        DocumentUnreadable: the bytes are no text in any encoding that could be told.
    """
    if looks_binary(content):
        raise DocumentUnreadable("The file is not a text file.")
    for encoding in (_by_mark(content), "utf_8", _known(declared)):
        if encoding and (text := _decoded(content, encoding)) is not None:
            return text
    western = _decoded(content, "cp1252")
    if western is not None and _is_western(western[:_SAMPLE_BYTES]):
        return western
    text = _decoded(content, _by_statistics(content))
    if text is None:
        raise DocumentUnreadable("The text encoding could not be told; save the file as UTF-8.")
    return text


def _by_mark(content: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)


def _known(declared: str | None) -> str | None:
    """A declared encoding by its name here; never a codec that is no character set."""
    name = (declared or "").strip().lower().replace("-", "_")
    name = aliases.get(name, name)
    # The web's Latin-1 is Windows's.
    name = "cp1252" if name in ("latin_1", "ascii") else name
    return name if name in CANDIDATES else None


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _is_western(text: str) -> bool:
    if _FOREIGN.search(text):
        return False
    return all(
        _WESTERN.match(char) or char in _WESTERN_MARKS for char in set(text) if char > "\x7f"
    )


def _by_statistics(content: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_SAMPLE_BYTES], cp_isolation=list(CANDIDATES)).best()
    return best.encoding if best else ""
