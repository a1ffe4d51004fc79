"""Tools as clients receive them, and as the room keeps them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.core.schemas import Id, Json, Resource, Timestamp, example
from app.features.tools.kinds.kind import Risk


class Tool(Resource):
    """Something that an agent can do."""

    model_config = example(
        id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        agent_id="01938f5e-6c88-7b9d-a2f1-8e5c4d3b2a19",
        type="calculator",
        name="calcular",
        description="Faz contas com exatidão.",
        config={"precision": 2},
        parameters={
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
            "additionalProperties": False,
        },
        risk="read",
        is_active=True,
        timeout_s=15,
        created_at="2026-11-23T20:15:00.123Z",
        updated_at="2026-11-23T20:15:00.123Z",
    )

    id: Id
    agent_id: Id
    type: str
    name: str
    description: str
    config: Annotated[
        Json, Field(description='A secret is shown as `{"set": true, "last4": "…"}`.')
    ]
    parameters: Annotated[Json, Field(description="JSON Schema of the arguments.")]
    risk: Risk
    is_active: bool
    timeout_s: int
    created_at: Timestamp
    updated_at: Timestamp


class StoredTool(Tool):
    """A tool as the room keeps it; `shown` is what clients may see of it."""

    chosen: Json
    sealed: str | None
    revision: int

    @property
    def shown(self) -> Tool:
        """Without anything that is not for clients."""
        return Tool.model_validate({name: getattr(self, name) for name in Tool.model_fields})


class ToolError(Resource):
    """Why a call failed."""

    code: str
    detail: str


class ToolTested(Resource):
    """What a test call brought."""

    model_config = example(
        status="succeeded",
        result={"result": "30", "formatted": "30"},
        error=None,
        duration_ms=1,
        trace={"expression": "15% de 200"},
    )

    status: Literal["succeeded", "failed"]
    result: Any = None
    error: ToolError | None = None
    duration_ms: int
    trace: Annotated[Json, Field(description="What happened, step by step; secrets are masked.")]


class ToolKindShown(Resource):
    """A kind of tools, with what a form for it needs."""

    model_config = example(
        type="calculator",
        title="Calculator",
        description="Evaluates arithmetic exactly.",
        config_schema={"type": "object", "properties": {"precision": {"type": "integer"}}},
        secret_fields=[],
        default_parameters={"type": "object", "properties": {"expression": {"type": "string"}}},
        takes_own_parameters=False,
        risk="read",
        example={"precision": 2},
    )

    type: str
    title: str
    description: str
    config_schema: Annotated[Json, Field(description="JSON Schema of `config`.")]
    secret_fields: Annotated[
        list[str], Field(description="Fields of `config` that are write-only.")
    ]
    default_parameters: Annotated[
        Json, Field(description="JSON Schema of the arguments under the example.")
    ]
    takes_own_parameters: Annotated[
        bool, Field(description="Whether `parameters` may name arguments of its own.")
    ]
    risk: Annotated[Risk, Field(description="Of a call that changes something.")]
    example: Annotated[Json, Field(description="A configuration.")]


class ToolKinds(Resource):
    """Every kind of tools."""

    data: list[ToolKindShown]
