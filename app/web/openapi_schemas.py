"""Schemas as people and client generators read them best: no needless unions, an example each."""

from typing import Any, cast

BINARY = {"type": "string", "format": "binary"}


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an optional parameter: in an address, it is left out and never null."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | options[0]


def plainer(schema: Any) -> Any:
    """The same schema in plainer words, all through.

    - `anyOf: [{type: T}, {type: null}]` becomes `type: [T, null]`.
    - A file is a string in `format: binary`, by which Swagger UI shows a button to choose it.
    """
    if isinstance(schema, list):
        return [plainer(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    plain = {name: plainer(value) for name, value in cast("dict[str, Any]", schema).items()}
    if plain.get("contentMediaType") == "application/octet-stream":
        return {**{k: v for k, v in plain.items() if k != "contentMediaType"}, **BINARY}
    return _nullable(plain)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    match schema.get("anyOf"):
        case [{"type": str() as kind, **rest}, {"type": "null"}] if "enum" not in rest:
            outside = {name: value for name, value in schema.items() if name != "anyOf"}
            return {"type": [kind, "null"], **cast("dict[str, Any]", rest), **outside}
        case _:
            return schema


def examples_of(schema: dict[str, Any], components: dict[str, Any]) -> list[Any]:
    """One of each kind that a union is of; at most one of anything else."""
    found = [example_of(option, components) for option in schema.get("oneOf", [schema])]
    return [example for example in found if example is not None]


def example_of(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """An example in the order of the properties; None where one cannot be put together.

    It is the schema's own, or made of those of its parts: a page from that of its items.
    """
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components)
    if "oneOf" in schema:
        return example_of(schema["oneOf"][0], components)
    properties: dict[str, Any] = schema.get("properties", {})
    if given := schema.get("examples"):
        example = given[0]
        if not isinstance(example, dict):
            return example
        return _in_order(cast("dict[str, Any]", example), schema)
    if schema.get("type") == "object" and properties:
        return _put_together(schema, components)
    return _example_of_value(schema, components)


def _put_together(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any] | None:
    parts = {name: example_of(part, components) for name, part in schema["properties"].items()}
    missing = [name for name in schema.get("required", ()) if parts[name] is None]
    if not all(_may_be_null(schema["properties"][name]) for name in missing):
        return None
    if all(part is None for part in parts.values()):
        return None
    return {name: part for name, part in parts.items() if part is not None or name in missing}


def _in_order(example: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The example as its model lists the fields, with the nulls that FastAPI has taken out."""
    nulls = [
        name
        for name in schema.get("required", ())
        if name not in example and _may_be_null(schema["properties"][name])
    ]
    whole: dict[str, Any] = example | dict.fromkeys(nulls)
    order = [name for name in schema.get("properties", {}) if name in whole]
    return {name: whole[name] for name in [*order, *(whole.keys() - set(order))]}


def _may_be_null(schema: dict[str, Any]) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


def _example_of_value(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array" and "items" in schema:
        item = example_of(schema["items"], components)
        return None if item is None else [item]
    return None
