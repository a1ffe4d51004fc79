"""The JSON Schema of a tool's arguments: what clients may write, and what arguments must fit."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

import orjson
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from app.core.strict_json import JsonRefused, read_json
from app.features.tools.errors import ToolConfigInvalid
from app.features.tools.kinds.kind import ToolFailed

MAX_SCHEMA_BYTES = 16_384
MAX_SCHEMA_DEPTH = 12
MAX_ARGUMENT_BYTES = 65_536
MAX_ERRORS = 5
MAX_ERROR_CHARS = 200
# What the strictest provider takes as the name of an argument (Anthropic).
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> Draft202012Validator:
    # Patterns run on an engine that takes linear time, and what is not here is never fetched.
    limits = RegexOptions(size_limit=100_000, dfa_size_limit=1_000_000)
    return Draft202012Validator(orjson.loads(schema), pattern_options=limits, offline=True)


def _validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    return _validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A client's own schema, with its arguments closed to others than those that it names.

    Raises:
        ToolConfigInvalid: it is no JSON Schema (2020-12) of an object, refers to others, is too
            large or too deep, or holds a pattern that cannot be matched in linear time.
    """
    if len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise _refused("", f"is larger than {MAX_SCHEMA_BYTES} bytes")
    if schema.get("type") != "object":
        raise _refused("/type", "must be `object`: arguments have names")
    if schema.get("additionalProperties", False) is not False:
        raise _refused("/additionalProperties", "must be false or left out")
    for pointer, part in _parts(schema, "", 0):
        _check_part(pointer, part)
    closed = schema | {"additionalProperties": False}
    try:
        _validator_of(closed)
    except ValidationError as error:
        pointer = "".join(f"/{part}" for part in error.instance_path)
        raise _refused(pointer, f"is not valid: {_short(error.message)}") from None
    except ValueError as error:
        raise _refused("", f"is not valid: {_short(str(error))}") from None
    return closed


def _parts(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > MAX_SCHEMA_DEPTH:
        raise _refused(pointer[:200], f"is nested deeper than {MAX_SCHEMA_DEPTH} levels")
    if isinstance(value, dict):
        part = cast("dict[str, Any]", value)
        yield pointer, part
        for name, child in part.items():
            yield from _parts(child, f"{pointer}/{name}", depth + 1)
    elif isinstance(value, list):
        for index, child in enumerate(cast("list[Any]", value)):
            yield from _parts(child, f"{pointer}/{index}", depth + 1)


def _check_part(pointer: str, part: dict[str, Any]) -> None:
    for name in part:
        if name.startswith("$"):
            raise _refused(pointer, f"holds `{name[:40]}`: write schemas where they are used")
    if pointer.endswith("/properties"):
        for name in part:
            if not _NAME.fullmatch(name):
                raise _refused(pointer, "holds a name that is not 1 to 64 of a-z A-Z 0-9 _ . -")


def _refused(pointer: str, detail: str) -> ToolConfigInvalid:
    place = f"/parameters{pointer}"
    return ToolConfigInvalid(f"{place}: {detail}", errors=[{"pointer": place, "detail": detail}])


def names_in(schema: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The arguments that a schema of an object names, and those that it requires."""
    return set(schema.get("properties", {})), set(schema.get("required", ()))


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments as a model wrote them.

    Raises:
        ToolFailed: too long, no strict JSON, a name twice, or no object. The model may mend it.
    """
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > MAX_ARGUMENT_BYTES:
        raise _unfit(f"The arguments are longer than {MAX_ARGUMENT_BYTES} bytes.")
    try:
        arguments = read_json(encoded or b"{}", is_foreign=True)
        json.loads(encoded or b"{}", object_pairs_hook=_without_repeats)
    except JsonRefused as refused:
        raise _unfit(f"The text of the arguments {refused}.") from None
    if not isinstance(arguments, dict):
        raise _unfit("The arguments are not a JSON object.")
    return cast("dict[str, Any]", arguments)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise JsonRefused("names something twice")
    return names


def check_arguments(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Go on only with arguments that fit.

    Raises:
        ToolFailed: they do not; the detail says where. The model may mend it.
    """
    errors: list[str] = []
    for error in _validator_of(schema).iter_errors(dict(arguments)):
        place = "".join(f"/{part}" for part in error.instance_path)[:MAX_ERROR_CHARS]
        errors.append(f"{place or 'arguments'}: {_short(error.message)}")
        if len(errors) == MAX_ERRORS:
            break
    if errors:
        raise _unfit("; ".join(errors))


def _short(text: str) -> str:
    if len(text) <= MAX_ERROR_CHARS:
        return text
    half = MAX_ERROR_CHARS // 2
    return f"{text[:half]} … {text[-half:]}"


def _unfit(detail: str) -> ToolFailed:
    return ToolFailed("invalid_arguments", detail, is_mendable=True)
