"""What can be done with agents."""

from typing import Any

from app.core.ids import AgentId, new_id
from app.features.agents.errors import AgentNotFound
from app.features.agents.repository import AgentRepository
from app.features.agents.schemas import (
    Agent,
    AgentCreate,
    AgentReplace,
    AgentUpdate,
    AgentVersion,
)
from app.ports import Ports
from app.web.auth import Caller

CACHE_S = 60.0
COPY_MARK = {"pt": "cópia", "es": "copia"}
MAX_NAME_CHARS = 100


class AgentService:
    """Agents of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller
        self._repository = AgentRepository(ports.database, caller.organization_id)

    async def page(
        self, *, limit: int, after: str | None, q: str | None, is_active: bool | None
    ) -> list[Agent]:
        """Newest first, after the agent with that id."""
        return await self._repository.page(limit=limit, after=after, text=q, is_active=is_active)

    async def get(self, agent_id: AgentId) -> Agent:
        """One agent.

        Raises:
            AgentNotFound: this organization has no such agent.
        """
        agent = await self._repository.find(agent_id)
        if agent is None:
            raise AgentNotFound
        return agent

    async def current(self, agent_id: AgentId, *, changed: bool = False) -> Agent:
        """One agent as this process knows it; `changed` when it is known to have another version.

        Whoever acts on it has the database compare its version (see run_start_v2).

        Raises:
            AgentNotFound: this organization has no such agent.
        """
        key = f"agent:{self._caller.organization_id}:{agent_id}"
        if changed:
            await self._ports.cache.forget(key)

        async def load() -> Any:
            return (await self.get(agent_id)).model_dump(mode="json")

        return Agent.model_validate(await self._ports.cache.fetch(key, load, ttl_s=CACHE_S))

    async def create(self, body: AgentCreate) -> Agent:
        """A new agent at version 1.

        Raises:
            UnknownModel: nobody serves its model.
            UnknownKnowledgeBases: it names bases that do not exist here.
        """
        return await self._create(self._whole(body))

    async def _create(self, fields: dict[str, Any]) -> Agent:
        return await self._repository.create(fields | {"id": new_id()}, actor=self._caller.actor)

    def _whole(self, body: AgentCreate) -> dict[str, Any]:
        fields = body.model_dump(mode="json")
        fields["model_id"] = body.model_id or self._ports.settings.default_model_id
        self._ports.models.resolve(fields["model_id"])
        return fields

    async def replace(
        self, agent_id: AgentId, body: AgentReplace, *, expected_versions: list[int] | None
    ) -> Agent:
        """The agent as given, under a new version number where anything changed."""
        return await self._repository.update(
            agent_id,
            self._whole(body),
            actor=self._caller.actor,
            expected_versions=expected_versions,
        )

    async def update(
        self, agent_id: AgentId, body: AgentUpdate, *, expected_versions: list[int] | None
    ) -> Agent:
        """The agent with the sent fields changed, under a new version number where any did."""
        # Whole values of the sent fields: `exclude_unset` would also thin out nested objects.
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        if "model_id" in changes:
            self._ports.models.resolve(changes["model_id"])
        return await self._repository.update(
            agent_id, changes, actor=self._caller.actor, expected_versions=expected_versions
        )

    async def delete(self, agent_id: AgentId) -> None:
        """Delete the agent; its conversations stay.

        Raises:
            AgentNotFound: there is none, or no longer.
        """
        if not await self._repository.delete(agent_id):
            raise AgentNotFound

    async def duplicate(self, agent_id: AgentId) -> Agent:
        """A copy at version 1 whose name says so."""
        agent = await self.get(agent_id)
        fields = AgentCreate.model_validate(
            agent.model_dump(mode="json", include=set(AgentCreate.model_fields))
        ).model_dump(mode="json")
        mark = COPY_MARK.get(agent.language[:2], "copy")
        fields["name"] = f"{agent.name[: MAX_NAME_CHARS - len(mark) - 3]} ({mark})"
        return await self._create(fields)

    async def versions(
        self, agent_id: AgentId, *, limit: int, before: int | None
    ) -> list[AgentVersion]:
        """Newest first, before that number."""
        versions = await self._repository.versions(agent_id, limit=limit, before=before)
        if versions is None:
            raise AgentNotFound
        return versions

    async def restore(self, agent_id: AgentId, version: int) -> Agent:
        """Make an earlier version the newest one, under a new number."""
        return await self._repository.restore(agent_id, version, actor=self._caller.actor)
