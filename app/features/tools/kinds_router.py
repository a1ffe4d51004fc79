"""The route GET /api/v2/tools/kinds."""

from typing import Any

from app.features.tools.definition import read_config
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import ToolKind
from app.features.tools.schemas import ToolKinds, ToolKindShown
from app.web.auth import AgentsReader
from app.web.routing import Feature, room_router

router = room_router("tools", prefix="/api/v2/tools")


def _shown(kind: ToolKind[Any]) -> ToolKindShown:
    return ToolKindShown(
        type=kind.name,
        title=kind.title,
        description=kind.description,
        config_schema=kind.config.model_json_schema(),
        secret_fields=list(kind.secret_fields),
        default_parameters=kind.parameters(read_config(kind, dict(kind.example))),
        takes_own_parameters=kind.takes_own_parameters,
        risk=kind.risk,
        example=dict(kind.example),
    )


@router.get("/kinds", summary="List the kinds of tools")
async def list_tool_kinds(caller: AgentsReader) -> ToolKinds:
    """Every kind with the JSON Schema of its configuration, so that a form can be drawn from it."""
    return ToolKinds(data=[_shown(kind) for kind in KINDS.values()])


FEATURE = Feature("tool kinds", router)
