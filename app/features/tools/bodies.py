"""Tools as clients send them; the union of their kinds is built from the registry."""

from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from pydantic import ConfigDict, Field, RootModel, StringConstraints, WrapValidator, create_model

from app.core.schemas import Body, Json, Text, example
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import Risk, ToolKind

ToolName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$"),
    Field(description="What the model sees; unique in the agent.", examples=["consultar_estoque"]),
]
Description = Annotated[
    str,
    StringConstraints(max_length=1024),
    Text,
    Field(description="Tells the model what the tool does and when to use it."),
]
Timeout = Annotated[int, Field(ge=1, le=60, description="How long one call may take.")]
OwnParameters = Annotated[
    Json | None,
    Field(
        description="JSON Schema (2020-12, without `$ref`) of the arguments. Left out, it is what"
        " the kind and its placeholders need."
    ),
]
OwnRisk = Annotated[
    Risk | None,
    Field(
        description="`read`, `write`, or `approval_required`: a human must approve each call."
        " Left out, it is what the kind and its configuration bring; it may only be stricter."
    ),
]


class ToolFields(Body):
    """What every tool has; each kind adds its type and configuration."""

    type: str
    name: ToolName
    description: Description = ""
    config: Any
    parameters: OwnParameters = None
    risk: OwnRisk = None
    is_active: bool = True
    timeout_s: Timeout = 15


def _body_of(kind: ToolKind[Any]) -> type[ToolFields]:
    """The body of one kind, with its example."""
    title = "".join(part.title() for part in kind.name.split("_"))
    fields: dict[str, Any] = {
        "type": (Literal[kind.name], ...),
        "config": (kind.config, Field(description=kind.title)),
    }
    model = create_model(
        f"{title}Tool",
        __base__=ToolFields,
        __doc__=f"{kind.title}: {kind.description}",
        **fields,
    )
    model.model_config.update(example(**_example_of(kind)))
    model.model_rebuild(force=True)
    return model


def _example_of(kind: ToolKind[Any]) -> dict[str, Any]:
    shown = {"type": kind.name, "name": kind.name, "description": kind.description}
    return shown | {"config": dict(kind.example)}


BODIES: dict[str, type[ToolFields]] = {name: _body_of(kind) for name, kind in KINDS.items()}
EXAMPLES = {
    name: {"summary": kind.title, "value": _example_of(kind)} for name, kind in KINDS.items()
}


def _of_its_kind(value: Any, _handler: Any) -> ToolFields:
    """The body by its `type`; what is wrong with it is told without the kind in the place."""
    if isinstance(value, ToolFields):
        return value
    sent = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name = sent.get("type")
    body = BODIES.get(name) if isinstance(name, str) else None
    # An unknown or missing type is told by the first field of what all kinds share.
    return (body or _Untyped).model_validate(value)


class _Untyped(ToolFields):
    """What is read when the type is none: only to say so."""

    type: Literal[tuple(BODIES)]  # pyright: ignore[reportInvalidTypeForm, reportIncompatibleVariableOverride]


if TYPE_CHECKING:
    AnyTool: TypeAlias = ToolFields
else:
    AnyTool = reduce(lambda one, other: one | other, BODIES.values())
    if len(BODIES) > 1:
        AnyTool = Annotated[AnyTool, Field(discriminator="type")]


class ToolCreate(RootModel[Annotated[AnyTool, WrapValidator(_of_its_kind)]]):
    """A tool of one of the kinds that `GET /api/v2/tools/kinds` lists."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLES[name]["value"] for name in BODIES]}
    )


class ToolUpdate(Body):
    """The fields to be changed; `type` stays what it is."""

    model_config = example(description="Consulta o estoque pelo código do produto.", timeout_s=10)

    name: ToolName = "_"
    description: Description = ""
    config: Json = Field(
        default={},
        description="The whole configuration of the tool's type. Secrets that are left out, or"
        " sent back as they were read, are kept; null lets go of one.",
    )
    parameters: OwnParameters = None
    risk: OwnRisk = None
    is_active: bool = True
    timeout_s: Timeout = 15


class ToolTest(Body):
    """A call to try a tool with."""

    model_config = example(arguments={"expression": "15% de 200"})

    arguments: Json = Field(default={}, description="As the model would send them.")
