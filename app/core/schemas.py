"""The building blocks of request and response bodies."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

from app.core.ids import is_id

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


class Body(BaseModel):
    """What a client sends: unknown fields are refused and nothing is guessed from another type."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def example(**fields: Any) -> ConfigDict:
    """The settings of a body with an example for the docs."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Resource(BaseModel):
    """What a client receives."""

    model_config = ConfigDict(frozen=True, extra="ignore")


AnyResource = TypeVar("AnyResource", bound=Resource)


def example_of(resource: type[AnyResource]) -> AnyResource:
    """The resource that its docs show."""
    extra = cast("dict[str, list[Any]]", resource.model_config.get("json_schema_extra"))
    return resource.model_validate(extra["examples"][0])


def rfc3339(moment: datetime) -> str:
    """A moment in UTC with milliseconds, `2026-11-23T20:15:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written_as_rfc3339(moment: object) -> object:
    # Left to itself pydantic takes `0` and `1e9` for seconds since 1970.
    if not isinstance(moment, str) or not _RFC3339.fullmatch(moment):
        raise ValueError(
            "is not a moment such as 2026-11-23T20:15:00Z or 2026-11-23T17:15:00-03:00"
            " (in a query, write `+` as %2B), nor a date such as 2026-11-23"
        )
    return moment


def _in_utc(moment: datetime) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _digits_only(text: object) -> object:
    # Left to itself pydantic takes `1_000`, ` 1 `, `+1`, `1.0` and the digits of other scripts.
    if isinstance(text, str) and not _INTEGER.fullmatch(text):
        raise ValueError("is not an integer in decimal digits")
    return text


def _true_or_false(text: object) -> object:
    # Left to itself pydantic takes `yes`, `on`, `t` and `1` as well.
    if isinstance(text, str) and text not in ("true", "false"):
        raise ValueError("must be `true` or `false`")
    return text


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("is not an id of this API (a UUID in lower case)")
    return text


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold the NUL character")
    return text


Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-23T20:15:00.123Z"]}
    ),
]
Moment = Annotated[
    datetime,
    Strict(strict=False),  # in a strict body, a moment is text all the same
    BeforeValidator(_written_as_rfc3339),
    AfterValidator(_in_utc),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
            "examples": ["2026-11-23T20:15:00Z", "2026-11-23"],
        }
    ),
]
"""A moment that a client sends; a date is its first moment in UTC."""
DigitsOnly = BeforeValidator(_digits_only)
"""Marks an integer in an address, to be written as in JSON."""
TrueOrFalse = BeforeValidator(_true_or_false)
"""Marks a boolean in an address."""
Id = Annotated[
    str,
    AfterValidator(_id),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uuid",
            "examples": ["01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"],
        }
    ),
]
Text = Annotated[str, AfterValidator(_clean)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), Text]

# Metadata is kept as it came; its size is bounded by the limit of a JSON body.
Json = dict[str, Any]
Limit = Annotated[int, Field(ge=1, le=100)]
