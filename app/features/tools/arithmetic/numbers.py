"""Numbers as languages write them: `1.234,56` and `1,234.56`."""

import re
from decimal import ROUND_HALF_UP, Context, Decimal

from app.features.tools.arithmetic.refusal import unreadable

MAX_DIGITS = 60
SHOWN_DECIMALS = 12
POINT_LANGUAGES = ("en", "zh", "ja", "ko", "th", "he", "hi")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")


def has_decimal_comma(language: str) -> bool:
    """Whether the language writes one and a half as `1,5`."""
    return not language.lower().startswith(POINT_LANGUAGES)


def read_number(text: str, *, decimal_comma: bool, money: str = "") -> Decimal:
    """The number that digits, points and commas write.

    Where both stand, the last is the decimal mark. One that stands more than once groups
    thousands. One that stands once is the language's decimal mark, or groups thousands, or is a
    decimal point, which programs write in every language. So `1.500` could be two numbers in a
    language with a decimal comma: it is refused, but as an amount of money, which has no thirds.
    Of money that others write, the language's own mark could be two: `US$ 1,500` in Portuguese.

    Raises:
        ExpressionRefused: the marks make no sense, or two, or there are too many digits.
    """
    if sum(character.isdigit() for character in text) > MAX_DIGITS:
        raise unreadable(f"A number has more than {MAX_DIGITS} digits.")
    if money:
        is_own = money == "R$" if decimal_comma else money not in ("R$", "€")
        doubtful = "" if is_own else "," if decimal_comma else "."
    else:
        doubtful = "." if decimal_comma else ""
    if doubtful and text.count(doubtful) == 1 and _GROUPED.fullmatch(text):
        bare = text.replace(doubtful, "")
        other = text[:-1] if money and text.endswith("0") else f"{text}0"
        raise unreadable(f"`{text}` could be two numbers: write `{bare}` or `{other}`.")
    mark = _decimal_mark(text, decimal_comma=decimal_comma)
    whole, _, decimals = text.rpartition(mark) if mark else (text, "", "")
    is_grouped = bool(re.search("[.,]", whole))
    if is_grouped and (not _GROUPED.fullmatch(whole) or len(set(whole) & {".", ","}) > 1):
        raise unreadable(f"`{text[:40]}` is not a number.")
    digits = re.sub("[.,]", "", whole) or "0"
    return Decimal(f"{digits}.{decimals}" if decimals else digits)


def _decimal_mark(text: str, *, decimal_comma: bool) -> str:
    points, commas = text.count("."), text.count(",")
    if points and commas:
        last = "," if text.rfind(",") > text.rfind(".") else "."
        if text.count(last) > 1:
            raise unreadable(f"`{text[:40]}` is not a number.")
        return last
    if points + commas != 1:
        return ""
    mark = "." if points else ","
    own = "," if decimal_comma else "."
    if mark == own or not _GROUPED.fullmatch(text):
        if mark == "," and not decimal_comma:
            raise unreadable(f"Write `{text[:40]}` with a decimal point.")
        return mark
    return ""


def written(value: Decimal, *, decimals: int | None) -> str:
    """The value in digits with a decimal point, never with an exponent.

    Without `decimals`, as many as say something: 12, or 12 significant ones of a small value.
    """
    if not value:
        return _fixed(value, decimals or 0)
    if decimals is None:
        places = SHOWN_DECIMALS - min(0, value.adjusted() + 1)
        text = _fixed(value, places)
        return text.rstrip("0").rstrip(".") if "." in text else text
    return _fixed(value, decimals)


def _fixed(value: Decimal, decimals: int) -> str:
    # Room for 60 digits before the point and 60 after it.
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, Context(prec=200))
    return format(rounded if rounded else rounded.copy_abs(), "f")


def localized(text: str, *, decimal_comma: bool) -> str:
    """A number in digits as people write it: `1234.5` becomes `1.234,5` or `1,234.5`."""
    whole, _, decimals = text.partition(".")
    grouped = f"{int(whole):,}"
    if text.startswith("-") and not grouped.startswith("-"):
        grouped = f"-{grouped}"
    english = f"{grouped}.{decimals}" if decimals else grouped
    if not decimal_comma:
        return english
    return english.translate(str.maketrans(",.", ".,"))
