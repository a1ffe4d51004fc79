"""What can be done with tools."""

from typing import Any, cast

from app.core.ids import AgentId, OrganizationId, new_id
from app.features.agents.service import AgentService
from app.features.tools.active import ActiveTool, activated, opened
from app.features.tools.bodies import ToolFields, ToolUpdate
from app.features.tools.definition import Definition, read_config, refuse_to_move
from app.features.tools.errors import (
    ToolChangedMeanwhile,
    ToolConfigInvalid,
    ToolNotFound,
)
from app.features.tools.kinds import KINDS
from app.features.tools.repository import ToolRepository
from app.features.tools.runner import Occasion, Outcome, ToolRunner
from app.features.tools.schemas import StoredTool, Tool
from app.features.tools.secrets import SecretBox, merged
from app.ports import Ports
from app.web.auth import Caller

CACHE_S = 60.0
ATTEMPTS = 5
PLAIN_FIELDS = ("name", "description", "is_active", "timeout_s")
SEALED_AWAY = "The tool's secrets cannot be opened any more; set them again."


async def active_tools(
    ports: Ports, organization_id: OrganizationId, agent_id: AgentId, *, is_fresh: bool = False
) -> list[ActiveTool]:
    """The tools that a run of the agent may use, oldest first, as this process knows them.

    A change reaches this process at once and every other within 5 s, or where they are to be fresh.
    """

    async def load() -> Any:
        return await ToolRepository(ports.database, organization_id).active(agent_id)

    if is_fresh:
        await ports.cache.forget(_cache_key(organization_id, agent_id))
    rows = await ports.cache.fetch(_cache_key(organization_id, agent_id), load, ttl_s=CACHE_S)
    box = SecretBox(ports.vault, organization_id)
    found = (activated(StoredTool.model_validate(row), box) for row in reversed(rows))
    return [tool for tool in found if tool is not None]


def _cache_key(organization_id: OrganizationId, agent_id: str) -> str:
    return f"tools:{organization_id}:{agent_id}"


class ToolService:
    """Tools of the agents of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports, self._caller = ports, caller
        self._repository = ToolRepository(ports.database, caller.organization_id)
        self._box = SecretBox(ports.vault, caller.organization_id)

    async def page(self, agent_id: AgentId, *, limit: int, after: str | None) -> list[Tool]:
        """Newest first, after the tool with that id.

        Raises:
            AgentNotFound: this organization has no such agent.
        """
        rows = await self._repository.page(agent_id, limit=limit, after=after)
        return [row.shown for row in rows]

    async def get(self, agent_id: AgentId, tool_id: str) -> Tool:
        """One tool.

        Raises:
            ToolNotFound: the agent, if it is one of this organization, has no such tool.
        """
        return (await self._repository.get(agent_id, tool_id)).shown

    async def active(self, agent_id: AgentId) -> list[ActiveTool]:
        """The tools that a run of the agent may use (see `active_tools`)."""
        return await active_tools(self._ports, self._caller.organization_id, agent_id)

    async def create(self, agent_id: AgentId, body: ToolFields) -> Tool:
        """A new tool.

        Raises:
            ToolConfigInvalid: its kind does not take that configuration.
            AgentNotFound, ToolNameTaken, ToolLimitReached: the agent cannot have it.
        """
        tool_id = new_id()
        row = self._row(tool_id, body) | {"id": tool_id, "agent_id": agent_id, "type": body.type}
        created = await self._repository.create(row)
        await self._forget(agent_id)
        return created.shown

    async def replace(self, agent_id: AgentId, tool_id: str, body: ToolFields) -> Tool:
        """The whole tool as given; secrets that are left out are gone."""
        for _ in range(ATTEMPTS):
            stored = await self._repository.get(agent_id, tool_id)
            if stored.type != body.type:
                detail = f"must stay `{stored.type}`: make another tool"
                raise ToolConfigInvalid(detail, errors=[{"pointer": "/type", "detail": detail}])
            row = self._row(tool_id, body)
            self._refuse_to_loosen(stored, row)
            if changed := await self._repository.update(stored, row):
                await self._forget(agent_id)
                return changed.shown
        raise ToolChangedMeanwhile

    async def update(self, agent_id: AgentId, tool_id: str, body: ToolUpdate) -> Tool:
        """The tool with the sent fields changed; a sent configuration is checked as a whole."""
        for _ in range(ATTEMPTS):
            stored = await self._repository.get(agent_id, tool_id)
            row = self._changes(stored, body)
            self._refuse_to_loosen(stored, row)
            if changed := await self._repository.update(stored, row):
                await self._forget(agent_id)
                return changed.shown
        raise ToolChangedMeanwhile

    def _refuse_to_loosen(self, stored: StoredTool, row: dict[str, Any]) -> None:
        """Only who may approve a call may do away with its approval."""
        if stored.risk == "approval_required" and row.get("risk", stored.risk) != stored.risk:
            self._caller.require("conversations:write")

    async def delete(self, agent_id: AgentId, tool_id: str) -> None:
        """Delete the tool; runs that have begun may still use it.

        Raises:
            ToolNotFound: there is none, or no longer.
        """
        if not await self._repository.delete(agent_id, tool_id):
            raise ToolNotFound
        await self._forget(agent_id)

    async def test(self, agent_id: AgentId, tool_id: str, arguments: dict[str, Any]) -> Outcome:
        """Call the tool once, truly, active or not; in no conversation and no run.

        Raises:
            ToolConfigInvalid: its secrets cannot be opened any more.
            ScopeMissing: a person must approve its calls, and the caller may not.
        """
        stored = await self._repository.get(agent_id, tool_id)
        if stored.risk == "approval_required":
            self._caller.require("conversations:write")
        tool = activated(stored, self._box)
        if tool is None:
            raise ToolConfigInvalid(SEALED_AWAY)
        agent = await AgentService(self._ports, self._caller).current(agent_id)
        occasion = Occasion(agent_id=agent_id, key=f"test:{new_id()}", language=agent.language)
        return await ToolRunner(self._ports, self._caller.organization_id).call(
            tool, arguments, occasion
        )

    async def copies(self, agent_id: AgentId) -> list[dict[str, Any]]:
        """The agent's tools as rows of another agent, their secrets sealed anew for them.

        Secrets that cannot be opened any more are left out, and must be set again.
        """
        rows: list[dict[str, Any]] = []
        # The newest first: made in reverse, the copies keep their order.
        for stored in reversed(await self._repository.page(agent_id, limit=1000, after=None)):
            tool_id = new_id()
            row = stored.model_dump(mode="json", exclude={"agent_id", "created_at", "updated_at"})
            secrets = self._box.open(stored.sealed, stored.id) or {}
            rows.append(row | {"id": tool_id, "sealed": self._box.seal(secrets, tool_id)})
        return rows

    def _row(self, tool_id: str, body: ToolFields) -> dict[str, Any]:
        definition = Definition(
            kind=KINDS[body.type],
            config=body.config,
            own_parameters=body.parameters,
            own_risk=body.risk,
        )
        plain = body.model_dump(mode="json", include=set(PLAIN_FIELDS))
        return plain | definition.row(tool_id, self._ports, self._box)

    def _changes(self, stored: StoredTool, body: ToolUpdate) -> dict[str, Any]:
        sent = body.model_dump(mode="json", include=body.model_fields_set)
        plain = {name: sent.pop(name) for name in PLAIN_FIELDS if name in sent}
        if not sent:
            return plain
        kind = KINDS[stored.type]
        kept = self._box.open(stored.sealed, stored.id)
        if "config" in sent:
            sent_config = cast("dict[str, Any]", sent["config"])
            config = merged(sent_config, kept or {}, kind.secret_fields)
            if config != merged(sent_config, {}, kind.secret_fields):
                refuse_to_move(kind, stored.config, config)
        elif kept is None:
            raise ToolConfigInvalid(SEALED_AWAY)
        else:
            config = opened(stored, kind, kept)
        definition = Definition(
            kind=kind,
            config=read_config(kind, config),
            own_parameters=sent.get("parameters", stored.chosen.get("parameters")),
            own_risk=sent.get("risk", stored.chosen.get("risk")),
        )
        return plain | definition.row(stored.id, self._ports, self._box)

    async def _forget(self, agent_id: AgentId) -> None:
        await self._ports.cache.forget(_cache_key(self._caller.organization_id, agent_id))
