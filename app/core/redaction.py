"""Secrets taken out of whatever a call leaves behind, in every form that a server may echo."""

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html.entities import codepoint2name
from typing import Any, cast
from urllib.parse import quote, quote_plus

MASK = "[secret]"
# A shorter one would be found in harmless text, and tells nobody much.
MIN_CHARS = 4
# In the midst of another text's base64 or hexadecimal, only what is longer is its own.
MIN_WITHIN = 6
# Of a text that is to be cut, what is read beyond the cut: more than any secret takes encoded.
BEYOND_BYTES = 65_536
# Of its end, where one could have begun.
TAIL_CHARS = 16_384
_BASE64 = "[A-Za-z0-9+/_-]"
_ESCAPED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
# How often what is encoded may be encoded again; each JSON doubles the backslashes and adds one.
_AGAIN = 3
_PERCENT = rf"%(?:25){{0,{_AGAIN}}}"
_AMPERSAND = rf"&(?:amp;){{0,{_AGAIN}}}"
_SLASH = rf"(?:\\|{_PERCENT}5[cC]|{_AMPERSAND}(?:#0{{0,6}}92|#[xX]0{{0,6}}5[cC]|bsol);)"
_PADDING = rf"(?:=|{_PERCENT}3[dD]){{0,2}}"
# A pattern takes long to make where each of many characters has many forms.
MOST_SIGNS = 100
_BROKEN_OFF = re.compile(
    r"(?:%(?:25){0,3}[0-9a-fA-F]{0,2}|&(?:amp;){0,3}[#\w]{0,24}"
    r"|\\+(?:[uU](?:[dD][89abAB])?[0-9a-fA-F]{0,3})?)\Z"
)


def redacted(value: Any, secrets: Mapping[str, str]) -> Any:
    """The value with every secret masked.

    In clear and as JSON, HTML and URLs write it, also encoded several times and each character in
    its own way; in base64 of both alphabets and in hexadecimal, also in the midst of another text.
    """
    forms = _forms(tuple(secrets.values()))
    return _without(value, _pattern(forms)) if forms else value


def redacted_start(content: bytes, secrets: Mapping[str, str], *, size: int) -> str:
    """The first characters of a content: masked first and cut then, so that no part is left."""
    end = size * 4 + BEYOND_BYTES
    text = content[:end].decode(errors="replace")
    forms = _forms(tuple(secrets.values()))
    if not forms:
        return text[:size]
    return _without_begun(_pattern(forms).sub(MASK, text), forms)[:size]


Form = tuple[str, ...]
"""A pattern for each character, in the order of a secret's."""


def _without_begun(text: str, forms: tuple[Form, ...]) -> str:
    """The text without the beginning of a secret at its end, where it was broken off."""
    text = text.rstrip("\ufffd")
    # Of its last character there may be no more than the beginning, as `%2` or `\&quo`.
    once = _BROKEN_OFF.sub("", text)
    for whole in dict.fromkeys((text, once, _BROKEN_OFF.sub("", once))):
        for start in range(max(0, len(whole) - TAIL_CHARS), len(whole) - MIN_CHARS + 1):
            if any(_reaches_end(whole, start, form) for form in forms):
                return text[:start] + MASK
    return text


def _reaches_end(text: str, start: int, form: Form) -> bool:
    place = start
    for part in form:
        if place >= len(text):
            return True
        hit = _compiled(part).match(text, place)
        if hit is None:
            return False
        place = hit.end()
    return False


@lru_cache(maxsize=256)
def _forms(secrets: tuple[str, ...]) -> tuple[Form, ...]:
    kept = sorted({each for each in secrets if len(each) >= MIN_CHARS}, key=len, reverse=True)
    return tuple(form for secret in kept for form in _forms_of(secret))


def _forms_of(secret: str) -> Iterator[Form]:
    if sum(not char.isalnum() for char in secret) > MOST_SIGNS:
        yield from (tuple(map(re.escape, form)) for form in _encoded(secret))
    else:
        yield _written(secret)
    content = secret.encode()
    encoded = base64.b64encode(content).decode().rstrip("=")
    yield (*_written(encoded), _PADDING)
    if len(content) < MIN_WITHIN:
        return
    yield tuple(_any_case(digit) for digit in content.hex())
    for before in range(3):
        inner = _inner_base64(content, before)
        edge = f"{_BASE64}?" if before else ""
        for form in dict.fromkeys((inner, inner.translate(str.maketrans("+/", "-_")))):
            first, *rest = _written(form)
            yield (edge + first, *rest, f"{_BASE64}?{_PADDING}")


def _inner_base64(content: bytes, before: int) -> str:
    """What stands of it in the base64 of a text, after so many bytes of a group of three."""
    encoded = base64.b64encode(bytes(before) + content).decode()
    return encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]


def _written(text: str) -> Form:
    """Each character as the encoders of JSON, HTML and URLs write it."""
    parts: list[str] = []
    slashes, some = "", _SLASH  # of the first, at most the last backslash before it belongs to it
    for hit in re.finditer(r"\\+|.", text, re.DOTALL):
        parts.append(_character(hit[0], slashes, some))
        # A run of backslashes takes those of the character after it.
        slashes, some = (
            ("", "") if hit[0][0] == "\\" else (f"{_SLASH}{{0,15}}", f"{_SLASH}{{1,15}}")
        )
    return tuple(parts)


def _character(char: str, slashes: str, some: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    if char[0] == "\\":
        return f"{_SLASH}{{{len(char)},{len(char) * 16}}}"
    code = ord(char)
    percent = "".join(f"{_PERCENT}{_digits(f'{byte:02x}')}" for byte in char.encode())
    units = char.encode("utf-16-be").hex()
    unicode = "".join(
        f"{some if not place else f'{_SLASH}{{1,15}}'}[uU]{_digits(units[place : place + 4])}"
        for place in range(0, len(units), 4)
    )
    names = [codepoint2name[code]] if code in codepoint2name else []
    names += ["apos"] if char == "'" else []
    numbers = [f"#0{{0,6}}{code}", f"#[xX]0{{0,6}}{_digits(f'{code:x}')}"]
    forms = [
        f"{_AMPERSAND}(?:{'|'.join([*names, *numbers])});?",
        percent,
        re.escape(char),
        *([r"\+"] if char == " " else []),
    ]
    escapes = [_ESCAPED[char]] if char in _ESCAPED else []
    escapes += [f"x{_digits(f'{code:02x}')}"] if code < 256 else []
    escaped = f"{some}(?:{'|'.join(escapes)})" if escapes else unicode
    return f"(?:{slashes}(?:{'|'.join(forms)})|{unicode}|{escaped})"


def _encoded(secret: str) -> list[str]:
    """A secret of many signs as the usual encoders write it."""
    text, plain = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    quoted = quote(secret, safe="")
    found = [secret, text, plain, text.replace("/", "\\/"), json.dumps(text)[1:-1]]
    found += [
        html.escape(secret),
        html.escape(text),
        quoted,
        quote_plus(secret),
        quote(text, safe=""),
    ]
    return list(dict.fromkeys(found))


def _digits(text: str) -> str:
    return "".join(map(_any_case, text))


def _any_case(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit


@lru_cache(maxsize=256)
def _pattern(forms: tuple[Form, ...]) -> re.Pattern[str]:
    return re.compile("|".join("".join(form) for form in forms))


@lru_cache(maxsize=4096)
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(part)


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    match value:
        case str():
            return pattern.sub(MASK, value)
        case dict():
            entries = cast("dict[str, Any]", value)
            return {
                _without(name, pattern): _without(part, pattern) for name, part in entries.items()
            }
        case list():
            return [_without(part, pattern) for part in cast("list[Any]", value)]
        case _:
            return value
