"""The fields of a form as an agent's owner describes them, and as a widget draws them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.core.contact_fields import calendar_date, one_line
from app.core.schemas import Body, Text

# The whole `form` event stays below 4 KB, as clients that read raw chunks need it. It is ASCII.
MAX_DEFINITION_BYTES = 2600
MAX_PREFILLED_BYTES = 400
MAX_TEXT_CHARS = 2000

FieldType = Literal["text", "email", "phone", "number", "date", "select", "checkbox", "cpf", "cnpj"]
Value = str | int | float | bool
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_]{0,39}$")]
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=200), Text, AfterValidator(one_line)
]
Length = Annotated[int, Field(ge=1, le=MAX_TEXT_CHARS)]

# Which types a rule can be said of.
_RULES: Mapping[str, frozenset[str]] = {
    "options": frozenset({"select"}),
    "min": frozenset({"number", "date"}),
    "max": frozenset({"number", "date"}),
    "min_length": frozenset({"text"}),
    "max_length": frozenset({"text"}),
}
_SCHEMA_TYPES = {"number": "number", "checkbox": "boolean"}
_FORMATS = frozenset({"email", "phone", "date", "cpf", "cnpj"})


class VisibleIf(Body):
    """A field is shown only while another one has this value."""

    field: FieldName
    equals: Annotated[str, StringConstraints(max_length=200), Text] | int | float | bool


class FormField(Body):
    """One field. `min` and `max` are numbers or dates, by type; lengths are of texts."""

    name: FieldName
    label: Label
    type: FieldType
    required: bool = False
    placeholder: Label | None = None
    options: Annotated[list[Label], Field(max_length=50)] = Field(default=[])
    min: int | float | str | None = None
    max: int | float | str | None = None
    min_length: Length | None = None
    max_length: Length | None = None
    visible_if: VisibleIf | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> "FormField":
        for rule, types in _RULES.items():
            if getattr(self, rule) not in (None, []) and self.type not in types:
                raise ValueError(f"{rule} does not go with {self.type}")
        if self.type == "select" and len(set(self.options)) < max(1, len(self.options)):
            raise ValueError("options must be there, and each once")
        for bound in (self.min, self.max):
            self._check_bound(bound)
        if self.min is not None and self.max is not None and self.min > self.max:  # pyright: ignore[reportOperatorIssue]
            raise ValueError("min is above max")
        if (self.min_length or 0) > (self.max_length or MAX_TEXT_CHARS):
            raise ValueError("min_length is above max_length")
        return self

    def _check_bound(self, bound: Value | None) -> None:
        if bound is None:
            return
        if self.type == "number" and (isinstance(bound, str | bool)):
            raise ValueError("min and max of a number are numbers")
        if self.type == "date" and (not isinstance(bound, str) or calendar_date(bound) != bound):
            raise ValueError("min and max of a date are dates such as 2026-11-23")


def _known_before(fields: list[FormField]) -> list[FormField]:
    before: dict[str, FormField] = {}
    for field in fields:
        if field.name in before:
            raise ValueError(f"two fields are named {field.name}")
        if field.visible_if is not None:
            _check_condition(field.visible_if, before)
        before[field.name] = field
    if len(orjson.dumps(drawn(fields, {}))) + _escapes(fields) > MAX_DEFINITION_BYTES:
        raise ValueError(f"the fields take more than {MAX_DEFINITION_BYTES} bytes: say it shorter")
    return fields


def _escapes(fields: Sequence[FormField]) -> int:
    # Streams are ASCII: `ã` leaves as `\u00e3`, six bytes for two.
    texts = (text for field in fields for text in (field.label, field.placeholder, *field.options))
    return 4 * sum(not character.isascii() for text in texts if text for character in text)


def _check_condition(condition: VisibleIf, before: Mapping[str, FormField]) -> None:
    asked = before.get(condition.field)
    if asked is None:
        raise ValueError(f"visible_if names {condition.field}, which is no field before it")
    is_right = {
        "checkbox": isinstance(condition.equals, bool),
        "number": not isinstance(condition.equals, str | bool),
        "select": condition.equals in asked.options,
    }
    if not is_right.get(asked.type, isinstance(condition.equals, str)):
        raise ValueError(f"visible_if: {condition.field} cannot have that value")


Fields = Annotated[
    list[FormField], Field(min_length=1, max_length=30), AfterValidator(_known_before)
]


def drawn(fields: Sequence[FormField], prefilled: Mapping[str, Value]) -> list[dict[str, Any]]:
    """The fields in the words of JSON Schema, as widgets are given them; what is unset is left out.

    `input` is the field's type; `format` and the bounds are JSON Schema's; `default` is prefilled.
    """
    return [_drawn(field, prefilled) for field in fields]


def _drawn(field: FormField, prefilled: Mapping[str, Value]) -> dict[str, Any]:
    ends = ("minimum", "maximum") if field.type == "number" else ("formatMinimum", "formatMaximum")
    shown: dict[str, Any] = {
        "name": field.name,
        "label": field.label,
        "input": field.type,
        "type": _SCHEMA_TYPES.get(field.type, "string"),
        "format": field.type if field.type in _FORMATS else None,
        "required": field.required,
        "enum": field.options or None,
        "placeholder": field.placeholder,
        ends[0]: field.min,
        ends[1]: field.max,
        "minLength": field.min_length,
        "maxLength": field.max_length,
        "visible_if": field.visible_if and field.visible_if.model_dump(),
        "default": prefilled.get(field.name),
    }
    return {name: value for name, value in shown.items() if value is not None}
