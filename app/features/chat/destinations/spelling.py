"""Texts in the spellings that a person, a model or a server would undo."""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

# IDNA takes these for dots, too.
_DOTS = str.maketrans("\u3002\uff61\u2024", "...")
_UNSEEN = ("Cf", "Mn")
_CODE = re.compile(r"\\+(?:u00|x)([0-9a-f]{2})", re.IGNORECASE)
_PACKED = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{2}){8,}(?![0-9a-f])", re.IGNORECASE)
_MARKED_AT = re.compile(
    r"\s*[\[({<]\s*(?:at|arroba|@)\s*[\])}>]\s*|\s*[-_](?:at|arroba)[-_]\s*", re.I
)
_MARKED_DOT = re.compile(r"\s*[\[({<]\s*(?:dot|ponto|punto|\.)\s*[\])}>]\s*", re.I)
_DEFUSED = re.compile(r"\bhxxp", re.I)


def plain(text: str) -> str:
    """The text as it looks: one form for each letter, digit and dot, and nothing that is unseen."""
    if text.isascii() and "&" not in text:
        return text
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_DOTS)
    return "".join(_seen(char) for char in text if unicodedata.category(char) not in _UNSEEN)


def _seen(char: str) -> str:
    # Digits of other scripts.
    return char if char.isascii() or not char.isdecimal() else str(unicodedata.decimal(char))


def spoken(text: str) -> str:
    """The plain text with `[at]`, `(dot)` and their like as the signs that they stand for."""
    return _DEFUSED.sub("http", _MARKED_DOT.sub(".", _MARKED_AT.sub("@", text)))


def said(text: str) -> list[str]:
    """A text of somebody who is trusted, as written and as meant."""
    return _different(_read(text))


def decoded(text: str) -> list[str]:
    """A text and what it becomes where somebody decodes it once, wholly or in part."""
    return _different([*_read(text), *(part for each in _unpacked(text) for part in _read(each))])


def _read(text: str) -> Iterator[str]:
    for form in (text, unquote(text, errors="replace") if "%" in text else text):
        yield plain(form)
        yield spoken(plain(form))


def _different(texts: list[str] | Iterator[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _unpacked(text: str) -> Iterator[str]:
    if "\\" in text:
        yield _CODE.sub(lambda hit: chr(int(hit[1], 16)), text)
    packed = [hit[0] for hit in _PACKED.finditer(text)]
    hexed = [hit[0] for hit in _HEX.finditer(text)]
    for content in [*map(_from_base64, packed), *map(bytes.fromhex, hexed)]:
        try:
            found = content.decode()
        except UnicodeDecodeError:
            continue
        if found.isprintable():
            yield found


def _from_base64(text: str) -> bytes:
    text = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
