"""Text, numbers and dates as people write them."""

import math
import re
import unicodedata
from datetime import date

from app.core.contact_fields.refusal import ValueRefused

_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_BRAZILIAN_DATE = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")
_NUMBER = re.compile(r"-?[0-9]{1,15}([.,][0-9]{1,10})?")
_LARGEST = 1e15


# Embeddings, overrides and isolates, which telephones paste along; they show what follows in
# another order than it has.
_TURNING = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))


def one_line(text: str, *, max_chars: int = 200) -> str:
    """The text with its blanks made single.

    Raises:
        ValueRefused: it is empty, too long, or holds control characters.
    """
    return _bounded(" ".join(text.translate(_TURNING).split()), max_chars)


def paragraph(text: str, *, max_chars: int = 2000) -> str:
    """The text as it was written, line breaks included.

    Raises:
        ValueRefused: it is empty, too long, or holds other control characters.
    """
    return _bounded(
        text.translate(_TURNING).replace("\r\n", "\n").strip(), max_chars, allowed="\n\t"
    )


def _bounded(text: str, max_chars: int, *, allowed: str = "") -> str:
    if not text:
        raise ValueRefused("empty", "is empty")
    if len(text) > max_chars:
        raise ValueRefused("too_long", f"is longer than {max_chars} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in allowed for c in text):
        raise ValueRefused("control_characters", "holds control characters")
    return text


def calendar_date(text: str) -> str:
    """A date as `2026-11-23`, written so or as Brazilians do: 23/11/2026.

    Raises:
        ValueRefused: it is no date of the calendar.
    """
    written = text.strip()
    try:
        if found := _ISO_DATE.fullmatch(written):
            year, month, day = found.groups()
        elif found := _BRAZILIAN_DATE.fullmatch(written):
            day, month, year = found.groups()
        else:
            raise ValueError(written)
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise ValueRefused(
            "invalid_date", "is not a date such as 2026-11-23 or 23/11/2026"
        ) from None


def number(value: object) -> int | float:
    """A number, given as one or written with a point or a comma before its decimals.

    Raises:
        ValueRefused: it is none, or beyond 10^15.
    """
    refused = ValueRefused("invalid_number", "is not a number such as 12 or 12.5")
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        written = value.strip().replace(",", ".")
        value = float(written) if "." in written else int(written)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise refused
    return value
