"""What a visitor has written in a form, checked field by field."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.core.contact_fields import (
    ValueRefused,
    calendar_date,
    cnpj,
    cpf,
    email_address,
    number,
    paragraph,
    phone_number,
)
from app.features.forms.fields import MAX_PREFILLED_BYTES, MAX_TEXT_CHARS, FormField, Value


@dataclass(frozen=True, slots=True)
class FieldRefused:
    """Why a field's value is not taken; `code` is stable."""

    name: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The values that can be kept, in the order of the fields, and why others cannot."""

    values: Mapping[str, Value]
    refused: tuple[FieldRefused, ...]


def check_values(fields: Sequence[FormField], sent: Mapping[str, Any]) -> Checked:
    """All fields that are shown with these values; what is hidden must not be sent."""
    kept: dict[str, Value] = {}
    refused: dict[str, FieldRefused] = {}
    for field in fields:
        value = sent.get(field.name)
        if field.visible_if is not None and field.visible_if.field in refused:
            continue  # whether it is shown cannot be told yet
        try:
            taken = _taken(field, value, is_shown=_is_shown(field, kept))
        except ValueRefused as refusal:
            refused[field.name] = FieldRefused(field.name, refusal.code, refusal.detail)
        else:
            if taken is not None:
                kept[field.name] = taken
    for name in sent.keys() - {field.name for field in fields}:
        refused[name] = FieldRefused(name, "unknown_field", "is no field of this form")
    return Checked(kept, tuple(refused.values()))


def check_prefilled(fields: Sequence[FormField], offered: Mapping[str, Any]) -> dict[str, Value]:
    """Those of the values that fit their field, as long as they are short all together.

    Nothing is ticked in a visitor's name.
    """
    kept: dict[str, Value] = {}
    room = MAX_PREFILLED_BYTES
    for field in fields:
        value = offered.get(field.name)
        if field.type == "checkbox" or _is_empty(value):
            continue
        with suppress(ValueRefused):
            taken = _CHECKS[field.type](field, value)
            room -= len(json.dumps(taken))
            if room >= 0:
                kept[field.name] = taken
    return kept


def _is_shown(field: FormField, kept: Mapping[str, Value]) -> bool:
    condition = field.visible_if
    if condition is None:
        return True
    value = kept.get(condition.field)
    # `True == 1` for Python, and not for a form.
    return value == condition.equals and isinstance(value, bool) == isinstance(
        condition.equals, bool
    )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _taken(field: FormField, value: Any, *, is_shown: bool) -> Value | None:
    if not is_shown:
        if _is_empty(value):
            return None
        raise ValueRefused("hidden_field", "is not asked with these answers: leave it out")
    if _is_empty(value) or (field.type == "checkbox" and value is False):
        if not field.required:
            return None if _is_empty(value) else False
        raise ValueRefused("required", "is required")
    return _CHECKS[field.type](field, value)


def _text(field: FormField, value: Any) -> str:
    text = _as_text(value, partial(paragraph, max_chars=field.max_length or MAX_TEXT_CHARS))
    if len(text) < (field.min_length or 0):
        raise ValueRefused("too_short", f"is shorter than {field.min_length} characters")
    return text


def _as_text(value: Any, check: Callable[[str], str]) -> str:
    if not isinstance(value, str):
        raise ValueRefused("wrong_type", "is no text")
    return check(value)


def _number(field: FormField, value: Any) -> int | float:
    taken = number(value)
    if isinstance(field.min, int | float) and taken < field.min:
        raise ValueRefused("too_small", f"is below {field.min}")
    if isinstance(field.max, int | float) and taken > field.max:
        raise ValueRefused("too_large", f"is above {field.max}")
    return taken


def _date(field: FormField, value: Any) -> str:
    taken = _as_text(value, calendar_date)
    if isinstance(field.min, str) and taken < field.min:
        raise ValueRefused("too_early", f"is before {field.min}")
    if isinstance(field.max, str) and taken > field.max:
        raise ValueRefused("too_late", f"is after {field.max}")
    return taken


def _choice(field: FormField, value: Any) -> str:
    if value not in field.options:
        raise ValueRefused("invalid_choice", "is none of the options")
    return value


def _ticked(_: FormField, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueRefused("wrong_type", "is neither true nor false")
    return value


def _by(check: Callable[[str], str]) -> Callable[[FormField, Any], Value]:
    return lambda _, value: _as_text(value, check)


_CHECKS: Mapping[str, Callable[[FormField, Any], Value]] = {
    "text": _text,
    "email": _by(email_address),
    "phone": _by(phone_number),
    "number": _number,
    "date": _date,
    "select": _choice,
    "checkbox": _ticked,
    "cpf": _by(cpf),
    "cnpj": _by(cnpj),
}
