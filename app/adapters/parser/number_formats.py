"""How a spreadsheet shows a number: as a percentage, with a currency or a unit, with zeros ahead.

Numbers are written with a point and without signs between thousands, whatever the file's language:
as bare numbers are, of which the same sheet is full. One document then has one way of writing.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

Look = Callable[[float], str]
# Excel itself takes no longer ones.
_MAX_CODE_CHARS = 255
MAX_DECIMALS = 10
# More than a number has here, and than any code for one.
_MAX_PLACES = 32
# From here on a float does not hold every unit, and a decimal of 28 digits not every place.
TOO_LARGE = 1e15
# Below this a float is rounded as its digits would be, unless it is that close to half a place.
_ROUGH = 1e11
_NEARLY = 1e-4
GROUPING = frozenset(" .,'")
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<gap>[_*].)|(?P<digit>[0#?])|(?P<point>\.)'
    r"|(?P<comma>,)|(?P<percent>%)|(?P<end>;)|\[\$(?P<currency>[^]-]*)(?:-[^]]*)?\]"
    r"|(?P<dollar>[A-Z]{0,2}\$)|(?P<sign>[-−+() :!€£¥])"
    r"|\[(?P<colour>black|blue|cyan|green|magenta|red|white|yellow|color ?\d+)\]|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_PARTS = ("digit", "point", "comma", "percent", "other")
_Parts = Sequence[tuple[str, str]]
_SIGN_AHEAD = re.compile(r"^[-−+] ?|(?<=[ $€£¥])[-−+](?= ?$)")
# How numbers below zero are marked, and spaces; what else there is says more than that.
_WITHOUT_SIGNS = str.maketrans("", "", "-−+() ")


def plain(value: float) -> str:
    """A number as a person would write it: 19 rather than 19.0."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with what stands around it, rounded as the sheet rounds it."""

    before: str
    after: str
    is_percentage: bool
    whole: int
    """The digits before the point, at least."""
    least: int
    """Those after it, zeros too."""
    most: int

    def __call__(self, value: float) -> str:
        if not abs(value) < TOO_LARGE:
            return plain(value)
        number = self.number(abs(value))
        if value > 0:
            return f"{self.before}{number}{self.after}"
        sign = "-" if value < 0 and number.strip("0.") else ""
        return f"{sign}{_SIGN_AHEAD.sub('', self.before)}{number}{self.after}"

    def number(self, value: float) -> str:
        """Without what stands around it; of what is neither below zero nor too large."""
        scaled = value * 100 if self.is_percentage else value
        number = f"{scaled:.{self.most}f}"
        places = scaled * 10.0**self.most
        # As good as half a place: 0.285 is as a float a little less than that, and is yet 29%.
        if places > _ROUGH or abs(places % 1 - 0.5) < _NEARLY:
            number = self._rounded(value)
        if self.least < self.most:
            end = len(number) - self.most + self.least
            number = (number[:end] + number[end:].rstrip("0")).rstrip(".")
        return number.zfill(self.whole) if self.whole > 1 else number

    def _rounded(self, value: float) -> str:
        exact = Decimal(f"{value:.15g}").scaleb(2 if self.is_percentage else 0)
        return f"{exact.quantize(Decimal(1).scaleb(-self.most), ROUND_HALF_UP):f}"


@dataclass(frozen=True, slots=True)
class _Mask:
    """The digits of a whole number among signs, as those of a postcode: "" is a digit's place."""

    parts: tuple[str, ...]
    is_padded: bool

    def __call__(self, value: float) -> str:
        places = self.parts.count("")
        digits = str(int(value)) if 0 <= value < TOO_LARGE and value.is_integer() else ""
        if not digits or (len(digits) < places and not self.is_padded):
            return plain(value)
        digits = digits.zfill(places)
        first, rest = digits[: len(digits) - places + 1], iter(digits[len(digits) - places + 1 :])
        numbers = iter((first, *rest))
        return "".join(part or next(numbers) for part in self.parts).strip()


@dataclass(frozen=True, slots=True)
class _Partly:
    """A look of numbers above zero: where others are shown with other words, they are bare."""

    look: Look
    is_bare_below: bool
    is_bare_at_zero: bool

    def __call__(self, value: float) -> str:
        is_bare = (self.is_bare_below and value < 0) or (self.is_bare_at_zero and value == 0)
        return plain(value) if is_bare else self.look(value)


@lru_cache(maxsize=1_000)
def look_of(code: str) -> Look | None:
    """What a format's code makes of numbers; nothing where a bare number says as much.

    Also where it says more than is known here: fractions, powers, conditions, scaled numbers. Of
    the sections of a code the first counts: what is below zero has its sign instead, unless the
    section for it has other words.
    """
    first, *others = _sections(code) if len(code) <= _MAX_CODE_CHARS else [[]]
    look = _look(first)
    words = _words(first)
    below, zero, *_ = *(_words(section) != words for section in others[:2]), False, False
    return _Partly(look, below, zero) if look and (below or zero) else look


def _look(parts: _Parts) -> Look | None:
    places = [n for n, (kind, _) in enumerate(parts) if kind in ("digit", "point", "comma")]
    digits = sum(kind == "digit" for kind, _ in parts)
    if not 0 < digits <= _MAX_PLACES or any(kind == "other" for kind, _ in parts):
        return None
    body = parts[places[0] : places[-1] + 1]
    before, after = parts[: places[0]], parts[places[-1] + 1 :]
    if any(kind == "text" for kind, _ in body):
        return _mask(parts, body)
    return _amount(before, body, after)


def _sections(code: str) -> list[list[tuple[str, str]]]:
    """Digits, points, commas, percentages, texts and what else there is, by section."""
    sections: list[list[tuple[str, str]]] = [[]]
    for found in _TOKEN.finditer(code):
        kind = found.lastgroup or ""
        if kind == "end":
            sections.append([])
        elif kind in _PARTS:
            sections[-1].append((kind, found[0]))
        elif kind == "gap":
            sections[-1].append(("text", " "))
        elif kind != "colour" and found[kind]:
            text = f" {found[kind]} " if kind == "currency" else found[kind]
            sections[-1].append(("text", text))
    return sections


def _words(parts: _Parts) -> str:
    """What a section says beside the number and its sign."""
    kinds = ("text", "percent", "other")
    return _joined([part for part in parts if part[0] in kinds]).translate(_WITHOUT_SIGNS)


def _mask(parts: _Parts, body: _Parts) -> Look | None:
    if any(kind not in ("digit", "text") for kind, _ in parts):
        return None
    signs = {sign for kind, text in body if kind == "text" for sign in text}
    # Thousands parted by hand are no mask: `0.000` would be read as less than one.
    is_padded = all(text == "0" for kind, text in body if kind == "digit")
    if signs <= GROUPING and not (is_padded and body[1][0] == "digit"):
        return None
    return _Mask(tuple("" if kind == "digit" else text for kind, text in parts), is_padded)


def _amount(before: _Parts, body: _Parts, after: _Parts) -> Look | None:
    whole, point, decimals = "".join(text for _, text in body).partition(".")
    # A comma after the last digit divides by a thousand.
    is_odd = "." in decimals or "," in decimals or whole.endswith(",") or "%" in whole + decimals
    percentages = sum(kind == "percent" for kind, _ in (*before, *after))
    if is_odd or percentages > 1 or len(decimals) > MAX_DECIMALS:
        return None
    ahead, behind = _joined(before), _joined(after)
    least = whole.count("0")
    is_padded = least > 1 and not point and set(whole) == {"0"}
    if not (percentages or is_padded or says_something(ahead + behind)):
        return None
    if not is_padded:
        least = min(least, 1)
    zeros = len(decimals.rstrip("#?"))
    return Amount(
        ahead_of_number(ahead), behind_number(behind), percentages > 0, least, zeros, len(decimals)
    )


def _joined(parts: _Parts) -> str:
    return "".join(text for _, text in parts)


def says_something(text: str) -> bool:
    """Whether there is a word, a unit or a currency in it."""
    return any(sign.isalpha() or _is_currency(sign) for sign in text)


def _is_currency(sign: str) -> bool:
    return unicodedata.category(sign) == "Sc"


def ahead_of_number(text: str) -> str:
    """What stands before a number; a currency stands apart from it."""
    text = " ".join(text.split()) + (" " if text[-1:].isspace() else "")
    text = text if text.strip() else ""
    return f"{text} " if text and _is_currency(text[-1]) else text


def behind_number(text: str) -> str:
    """What stands after a number; a percent sign stands close to it, a currency apart."""
    text = (" " if text[:1].isspace() else "") + " ".join(text.split())
    text = text if text.strip() else ""
    if text.startswith(" %"):
        return text[1:]
    return f" {text}" if text and _is_currency(text[0]) else text
