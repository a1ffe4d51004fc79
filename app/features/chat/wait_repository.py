"""Runs that wait for a person, in the database: put down, decided on, taken by one process."""

from dataclasses import dataclass
from typing import Any, Literal

from app.core.ids import AgentId, OrganizationId, RunId
from app.core.schemas import Resource
from app.features.chat.frames import pack
from app.features.chat.records import RunIds, RunWait, StoredRun
from app.features.chat.toolbox import Tool
from app.ports.store import Database

# How long a person has to decide.
WAIT_S = 15 * 60

Suspension = Literal["kept", "cancelled", "ended", "gone"]
"""Whether a run was put down, or somebody wants it cancelled, has ended it, has deleted it."""
Refusal = Literal["run_not_found", "call_not_found", "expired", "decided"]


class DecidedCall(Resource):
    """A call with side effects as it is noted; `arguments` are those that were approved."""

    id: str
    name: str
    type: str
    arguments: dict[str, Any]
    status: str
    tool_id: str | None = None
    tool_revision: int | None = None

    def is_of(self, tool: Tool | None) -> bool:
        """Whether this is the tool, configured as it was when a person was asked."""
        if tool is None or self.tool_id not in (None, tool.id):
            return False
        return self.tool_revision in (None, tool.revision)


class TakenRun(Resource):
    """A run that this process has taken over, and all that it needs to go on."""

    run: StoredRun
    state: dict[str, Any]
    frames_base64: str
    calls: list[DecidedCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person has decided on a call, and who it was."""

    agent_id: AgentId
    run_id: RunId
    call_id: str
    verdict: Literal["approved", "denied"]
    arguments: dict[str, Any] | None
    actor: str


class WaitRepository:
    """The waiting runs of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def suspend(self, ids: RunIds, wait: RunWait, *, owner_id: str) -> Suspension:
        """Put the run of this owner down, once."""
        return await self._scope.call(
            "run_suspend_v1",
            run={
                "id": ids.run_id,
                "owner_id": owner_id,
                "last_event_id": wait.last_event_id,
                "expires_in_s": WAIT_S,
            },
            message={
                "content": wait.content,
                "sources": wait.sources,
                "tool_calls": wait.tool_calls,
            },
            calls=wait.calls,
            state=wait.state,
            frames_base64=pack(wait.frames),
            events=wait.facts,
        )

    async def decide(self, decision: Decision, *, owner_id: str) -> TakenRun | Refusal | None:
        """Decide a call once: the run, if it was the last one; None while others wait."""
        result = await self._scope.call(
            "approval_decide_v1",
            agent_id=decision.agent_id,
            run_id=decision.run_id,
            call_id=decision.call_id,
            decision=decision.verdict,
            arguments=decision.arguments,
            actor=decision.actor,
            owner_id=owner_id,
        )
        match result["outcome"]:
            case "taken":
                return TakenRun.model_validate(result)
            case "noted":
                return None
            case refusal:
                return refusal

    async def cancel(self, run_id: RunId, *, owner_id: str) -> TakenRun | None:
        """Ask the run's owner to stop it; a run that waits has none, and is taken to be ended."""
        result = await self._scope.call("run_cancel_v2", run_id=run_id, owner_id=owner_id)
        return TakenRun.model_validate(result) if result["outcome"] == "taken" else None

    async def waiting_calls(self, run_id: RunId) -> list[DecidedCall]:
        """The same calls with the tools that they were asked for."""
        return [DecidedCall.model_validate(row) for row in await self.calls(run_id)]

    async def calls(self, run_id: RunId) -> list[dict[str, Any]]:
        """The calls of a run that wait, oldest first."""
        return await self._scope.call(
            "rows_find_v1",
            table="tool_calls",
            where={"run_id": run_id, "status": "awaiting_approval"},
            limit=20,
            descending=False,
        )
