"""Telephone numbers of all countries; one without a country's code is Brazilian."""

import re
import unicodedata

from app.core.contact_fields.refusal import ValueRefused

REGION = "BR"
# The library would read letters as the keys that carry them: an extension became part of a number.
_WRITTEN = re.compile(r"[0-9+()./\s-]{5,40}")


def phone_number(text: str) -> str:
    """The number in E.164, `+5511987654321`.

    Raises:
        ValueRefused: nobody can have such a number, or its area code is missing.
    """
    refused = ValueRefused(
        "invalid_phone",
        "is not a telephone number with its area code, such as (11) 98765-4321 or +5511987654321",
    )
    written = unicodedata.normalize("NFKC", text).strip()
    if not _WRITTEN.fullmatch(written):
        raise refused
    import phonenumbers  # not while the service starts (core/loading.py)

    try:
        found = phonenumbers.parse(written, REGION)
    except phonenumbers.NumberParseException:
        raise refused from None
    if not phonenumbers.is_valid_number(found):
        raise refused
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
