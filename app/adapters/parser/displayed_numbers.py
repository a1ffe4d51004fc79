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
    is_negative = ahead.lstrip().startswith(("-", "−", "("))
    if is_negative or ahead.endswith(("-", "−")):
        ahead, behind = ahead.lstrip(" -−(").rstrip("-−"), behind.rstrip(")-−")
    is_percentage = "%" in ahead + behind
    if decimals > MAX_DECIMALS or not (is_percentage or says_something(ahead + behind)):
        return ()
    return tuple(
        Amount(ahead_of_number(ahead), behind_number(behind), is_percentage, 1, places, places)
        for places in ((decimals, 0) if decimals == _THOUSAND else (decimals,))
    )
