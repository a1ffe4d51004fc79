"""Which conversations a list or an export is about."""

from typing import Annotated, Any

from fastapi import Depends, Query

from app.core.schemas import Id, Moment
from app.features.conversations.repository import created_between
from app.features.conversations.schemas import Status


async def _filters(
    agent_id: Annotated[Id | None, Query(description="With this agent.")] = None,
    status: Annotated[Status | None, Query(description="In this state.")] = None,
    visitor_id: Annotated[
        str | None, Query(max_length=200, description="Of this visitor, as you named it.")
    ] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Begun at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Begun before this moment.")] = None,
) -> dict[str, Any]:
    equal = {"agent_id": agent_id, "status": status, "visitor_id": visitor_id}
    chosen = {name: value for name, value in equal.items() if value is not None}
    return chosen | created_between(from_, to)


Where = Annotated[dict[str, Any], Depends(_filters)]
Sought = Annotated[str | None, Query(max_length=200, description="In the title.")]
