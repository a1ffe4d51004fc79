"""CPF and CNPJ, the numbers under which Brazil knows persons and companies.

The check digits are modulo 11 over values of `ord(character) - 48`, which for digits is what it
always was and for the letters of the CNPJ of July 2026 is what Nota Técnica COCAD/SUARA/RFB 49/2024
lays down (its example: 12.ABC.345/01DE-35). Letters stand in the first twelve places only.
"""

import re

from app.core.contact_fields.refusal import ValueRefused

_MARKS = re.compile(r"[.\-/\s]")
_CPF = re.compile(r"[0-9]{11}")
_CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
_MAX_WRITTEN_CHARS = 40


def cpf(text: str) -> str:
    """The eleven digits of a CPF, however it was punctuated.

    Raises:
        ValueRefused: its check digits do not fit, or all its digits are the same.
    """
    digits = _bare(text)
    if not _CPF.fullmatch(digits) or _is_one_repeated(digits):
        raise ValueRefused("invalid_cpf", "is not a CPF such as 529.982.247-25")
    # The weights grow by one from 2 on, from right to left, and never wrap.
    if digits[9:] != _check_digits(digits[:9], highest_weight=11):
        raise ValueRefused("invalid_cpf", "is not a CPF: its check digits do not fit")
    return digits


def cnpj(text: str) -> str:
    """The fourteen characters of a CNPJ, numeric or alphanumeric, in upper case.

    Raises:
        ValueRefused: its check digits do not fit, or all its characters are the same.
    """
    characters = _bare(text)
    if not _CNPJ.fullmatch(characters) or _is_one_repeated(characters):
        raise ValueRefused(
            "invalid_cnpj", "is not a CNPJ such as 11.222.333/0001-81 or 12.ABC.345/01DE-35"
        )
    if characters[12:] != _check_digits(characters[:12], highest_weight=9):
        raise ValueRefused("invalid_cnpj", "is not a CNPJ: its check digits do not fit")
    return characters


def tax_id(text: str) -> str:
    """A CPF or a CNPJ, told by its length.

    Raises:
        ValueRefused: it is neither.
    """
    match len(_bare(text)):
        case 11:
            return cpf(text)
        case 14:
            return cnpj(text)
        case _:
            raise ValueRefused("invalid_document", "is neither a CPF (11 digits) nor a CNPJ (14)")


def _bare(text: str) -> str:
    return _MARKS.sub("", text).upper() if len(text) <= _MAX_WRITTEN_CHARS else ""


def _is_one_repeated(characters: str) -> bool:
    # The check digits of 111.111.111-11 fit, and it belongs to nobody.
    return len(set(characters)) == 1


def _check_digits(base: str, *, highest_weight: int) -> str:
    digits = ""
    for _ in range(2):
        weights = range(2, highest_weight + 1)
        total = sum(
            (ord(character) - 48) * weights[place % len(weights)]
            for place, character in enumerate(reversed(base + digits))
        )
        digits += str(11 - total % 11 if total % 11 > 1 else 0)
    return digits
