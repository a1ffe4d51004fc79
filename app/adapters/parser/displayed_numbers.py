"""How a cell shows its number, told from the number and the text that some program made of it."""

import re
from functools import lru_cache
from html import unescape

from app.adapters.parser.number_formats import (
    GROUPING,
    MAX_DECIMALS,
    TOO_LARGE,
    Amount,
    ahead_of_number,
    behind_number,
    plain,
    says_something,
)

_MAX_BYTES = 1_000
_BARE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:[.,' ][0-9]+)*")
_DISPLAYED = re.compile(r"(\D*)([0-9](?:.*[0-9])?)(\D*)")
_MINUS = ("-", "−")
_MINUS_AHEAD = re.compile(r"^ ?[-−] ?|[-−](?= ?$)")
_MINUS_BEHIND = re.compile(r" ?[-−] ?$")
_WITHOUT_GROUPING = str.maketrans(dict.fromkeys(GROUPING))
_THOUSAND = 3


def as_displayed(displayed: bytes, value: float) -> str:
    """The value with the signs and decimals of the text; bare where the two do not go together."""
    text = " ".join(unescape(displayed[:_MAX_BYTES].decode("utf-8", "replace")).split())
    found = None if _BARE.fullmatch(text) else _DISPLAYED.fullmatch(text)
    if found is None or not abs(value) < TOO_LARGE:
        return plain(value)
    ahead, number, behind = found.groups()
    digits = number.translate(_WITHOUT_GROUPING)
    point = max(number.rfind("."), number.rfind(","))
    if value < 0:
        ahead, behind = _without_sign(ahead, behind)
    for amount in _amounts(ahead, behind, len(number) - 1 - point if point >= 0 else 0):
        if amount.number(abs(value)).replace(".", "") == digits:
            return amount(value)
    return text if _is_mask(digits, value, has_point=point >= 0) else plain(value)


def _is_mask(digits: str, value: float, *, has_point: bool) -> bool:
    """Whether a whole number stands among signs, as in a CPF, or has zeros ahead."""
    if digits.isdecimal() and (has_point or digits[0] != "0"):
        return False
    return value > 0 and int(re.sub(r"\D", "", digits)) == value


@lru_cache(maxsize=1_000)
def _amounts(ahead: str, behind: str, decimals: int) -> tuple[Amount, ...]:
    """What a text may mean: `1.234` has three decimals or none."""
    is_percentage = "%" in ahead + behind
    if decimals > MAX_DECIMALS or not (is_percentage or says_something(ahead + behind)):
        return ()
    if not _is_balanced(ahead + behind) or ahead.startswith(_MINUS) or behind.endswith(_MINUS):
        return ()
    return tuple(
        Amount(ahead_of_number(ahead), behind_number(behind), is_percentage, 1, places, places)
        for places in ((decimals, 0) if decimals == _THOUSAND else (decimals,))
    )


@lru_cache(maxsize=1_000)
def _without_sign(ahead: str, behind: str) -> tuple[str, str]:
    """What stands around a number, without a minus and without brackets that enclose it."""
    opening, closing = ahead.rfind("("), _unopened(behind)
    if opening > ahead.rfind(")") and closing >= 0:
        ahead = ahead[:opening] + ahead[opening + 1 :]
        behind = behind[:closing] + behind[closing + 1 :]
    return _MINUS_AHEAD.sub("", ahead), _MINUS_BEHIND.sub("", behind)


def _unopened(text: str) -> int:
    """The place of the first bracket that closes what the text did not open, or -1."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return place
    return -1


def _is_balanced(text: str) -> bool:
    return _unopened(text) < 0 and text.count("(") == text.count(")")
