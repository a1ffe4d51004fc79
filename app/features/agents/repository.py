"""Agents in the database."""

from typing import Any

from app.core.ids import AgentId, OrganizationId
from app.features.agents.errors import (
    AgentNotFound,
    AgentVersionMismatch,
    AgentVersionNotFound,
    UnknownKnowledgeBases,
)
from app.features.agents.schemas import Agent, AgentVersion
from app.ports.store import Database


class AgentRepository:
    """The agents of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(
        self, *, limit: int, after: str | None, text: str | None, where: dict[str, Any]
    ) -> list[Agent]:
        rows = await self._scope.call(
            "rows_find_v1", table="agents", where=where, limit=limit, text=text, after=after
        )
        return [Agent.model_validate(row) for row in rows]

    async def find(self, agent_id: AgentId) -> Agent | None:
        rows = await self._scope.call(
            "rows_find_v1", table="agents", where={"id": agent_id}, limit=1
        )
        return Agent.model_validate(rows[0]) if rows else None

    async def create(self, agent: dict[str, Any], *, actor: str) -> Agent:
        result = await self._scope.call("agent_create_v1", agent=agent, actor=actor)
        return _changed(result)

    async def duplicate(
        self, agent: dict[str, Any], tools: list[dict[str, Any]], *, actor: str
    ) -> Agent:
        result = await self._scope.call("agent_duplicate_v1", agent=agent, tools=tools, actor=actor)
        return _changed(result)

    async def update(
        self,
        agent_id: AgentId,
        changes: dict[str, Any],
        *,
        actor: str,
        expected_versions: list[int] | None,
    ) -> Agent:
        result = await self._scope.call(
            "agent_update_v1",
            id=agent_id,
            changes=changes,
            actor=actor,
            expected_versions=expected_versions,
        )
        return _changed(result)

    async def restore(self, agent_id: AgentId, version: int, *, actor: str) -> Agent:
        result = await self._scope.call(
            "agent_version_restore_v1", id=agent_id, version=version, actor=actor
        )
        return _changed(result)

    async def delete(self, agent_id: AgentId, *, expected_versions: list[int] | None) -> None:
        result = await self._scope.call(
            "agent_delete_v1", id=agent_id, expected_versions=expected_versions
        )
        if result["outcome"] != "deleted":
            _changed(result)

    async def versions(
        self, agent_id: AgentId, *, limit: int, before: int | None
    ) -> list[AgentVersion] | None:
        rows = await self._scope.call(
            "agent_versions_list_v1", id=agent_id, limit=limit, before=before
        )
        return None if rows is None else [AgentVersion.model_validate(row) for row in rows]


def _changed(result: dict[str, Any]) -> Agent:
    match result["outcome"]:
        case "version_mismatch":
            raise AgentVersionMismatch(
                f"The agent is at version {result['version']} now; read it again.",
                version=result["version"],
            )
        case "unknown_knowledge_bases":
            errors = [
                {"pointer": "/knowledge_base_ids", "detail": f"There is no knowledge base {base}."}
                for base in result["ids"]
            ]
            raise UnknownKnowledgeBases(errors=errors)
        case "version_not_found":
            raise AgentVersionNotFound
        case "not_found":
            raise AgentNotFound
        case _:
            return Agent.model_validate(result["agent"])
