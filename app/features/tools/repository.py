"""Tools in the database."""

from typing import Any

from app.core.ids import AgentId, OrganizationId
from app.features.agents.errors import AgentNotFound
from app.features.tools.errors import ToolLimitReached, ToolNameTaken, ToolNotFound
from app.features.tools.schemas import StoredTool
from app.ports.store import Database

MAX_TOOLS = 64


class ToolRepository:
    """The tools of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(self, agent_id: AgentId, *, limit: int, after: str | None) -> list[StoredTool]:
        rows = await self._scope.call("tools_list_v1", agent_id=agent_id, limit=limit, after=after)
        if rows is None:
            raise AgentNotFound
        return [StoredTool.model_validate(row) for row in rows]

    async def active(self, agent_id: AgentId) -> list[dict[str, Any]]:
        """Rows as the cache keeps them; none where there is no such agent."""
        rows = await self._scope.call(
            "tools_list_v1", agent_id=agent_id, limit=MAX_TOOLS, active_only=True
        )
        return rows or []

    async def get(self, agent_id: AgentId, tool_id: str) -> StoredTool:
        row = await self._scope.call("tool_find_v1", agent_id=agent_id, id=tool_id)
        if row is None:
            raise ToolNotFound
        return StoredTool.model_validate(row)

    async def create(self, tool: dict[str, Any]) -> StoredTool:
        result = await self._scope.call("tool_create_v1", tool=tool, limit=MAX_TOOLS)
        return _changed(result)

    async def update(self, tool: StoredTool, changes: dict[str, Any]) -> StoredTool | None:
        """The changed tool; None if somebody else has changed it since it was read."""
        result = await self._scope.call(
            "tool_update_v1",
            agent_id=tool.agent_id,
            id=tool.id,
            changes=changes,
            revision=tool.revision,
        )
        return None if result["outcome"] == "changed" else _changed(result)

    async def delete(self, agent_id: AgentId, tool_id: str) -> bool:
        return bool(await self._scope.call("tool_delete_v1", agent_id=agent_id, id=tool_id))


def _changed(result: dict[str, Any]) -> StoredTool:
    match result["outcome"]:
        case "agent_not_found":
            raise AgentNotFound
        case "not_found":
            raise ToolNotFound
        case "name_taken":
            raise ToolNameTaken
        case "limit_reached":
            raise ToolLimitReached(f"An agent may have {MAX_TOOLS} tools.")
        case _:
            return StoredTool.model_validate(result["tool"])
