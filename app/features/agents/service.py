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
from app.features.models.known import KnownModels
from app.features.organizations.known import KnownSettings
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
        self._settings = KnownSettings(ports)
        self._models = KnownModels(ports, caller.organization_id)
        self._repository = AgentRepository(ports.database, caller.organization_id)

    async def page(
        self, *, limit: int, after: str | None, q: str | None, where: dict[str, Any]
    ) -> list[Agent]:
        """Newest first, after the agent with that id."""
        return await self._repository.page(limit=limit, after=after, text=q, where=where)

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
            UnknownModel: nobody serves its model, or one of its fallbacks.
            UnknownKnowledgeBases: it names bases that do not exist here.
        """
        fields = await self._whole(body) | {"id": new_id()}
        return await self._repository.create(fields, actor=self._caller.actor)

    async def _whole(self, body: AgentCreate) -> dict[str, Any]:
        chosen = await self._settings.of(self._caller.organization_id)
        defaults: dict[str, Any] = {
            "model_id": chosen.default_model_id,
            "temperature": chosen.default_temperature,
            "max_tokens": chosen.max_tokens,
            "language": chosen.language,
        }
        fields = body.model_dump(mode="json")
        fields |= {name: value for name, value in defaults.items() if fields[name] is None}
        await self._check_models(fields)
        return fields

    async def _check_models(self, fields: dict[str, Any]) -> None:
        named = [fields["model_id"]] if "model_id" in fields else []
        for model_id in [*named, *fields.get("fallback_model_ids", ())]:
            await self._models.resolve(model_id)

    async def replace(
        self, agent_id: AgentId, body: AgentReplace, *, expected_versions: list[int] | None
    ) -> Agent:
        """The agent as given, under a new version number where anything changed."""
        return await self._repository.update(
            agent_id,
            await self._whole(body),
            actor=self._caller.actor,
            expected_versions=expected_versions,
        )

    async def update(
        self, agent_id: AgentId, body: AgentUpdate, *, expected_versions: list[int] | None
    ) -> Agent:
        """The agent with the sent fields changed, under a new version number where any did."""
        # Whole values of the sent fields: `exclude_unset` would also thin out nested objects.
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        await self._check_models(changes)
        return await self._repository.update(
            agent_id, changes, actor=self._caller.actor, expected_versions=expected_versions
        )

    async def delete(self, agent_id: AgentId, *, expected_versions: list[int] | None) -> None:
        """Delete the agent; its conversations stay.

        Raises:
            AgentNotFound: there is none, or no longer.
            AgentVersionMismatch: it has none of these versions.
        """
        await self._repository.delete(agent_id, expected_versions=expected_versions)

    async def duplicate(self, agent_id: AgentId, *, tools: list[dict[str, Any]]) -> Agent:
        """A copy at version 1 whose name says so, with these rows of tools (`ToolService.copies`).

        Raises:
            AgentNotFound: this organization has no such agent.
        """
        agent = await self.get(agent_id)
        fields = AgentCreate.model_validate(
            agent.model_dump(mode="json", include=set(AgentCreate.model_fields))
        ).model_dump(mode="json")
        mark = COPY_MARK.get(agent.language[:2], "copy")
        fields["name"] = f"{agent.name[: MAX_NAME_CHARS - len(mark) - 3]} ({mark})"
        return await self._repository.duplicate(
            fields | {"id": new_id()}, tools, actor=self._caller.actor
        )

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
