"""Runs in the database: committed before the model is asked, and ended once."""

from datetime import datetime
from typing import Any, Literal, cast

from app.core.errors import Problem
from app.core.ids import AgentId, OrganizationId, RunId
from app.core.schemas import rfc3339
from app.domain_events import EVENTS
from app.domain_events.conversation_started import ConversationStarted
from app.domain_events.message_completed import MessageCompleted
from app.domain_events.message_received import MessageReceived
from app.features.agents.errors import AgentNotFound
from app.features.chat.errors import BudgetExceeded, RunInterrupted
from app.features.chat.frames import pack
from app.features.chat.handoff import OPERATOR_MARK
from app.features.chat.handoff_facts import handing_over_arguments
from app.features.chat.records import (
    AnsweredRun,
    Joined,
    RunBegin,
    RunEnd,
    RunIds,
    Started,
    StoredRun,
)
from app.features.conversations.errors import ConversationNotFound
from app.ports.llm import MICRO, Message, Role
from app.ports.store import Database
from app.web.idempotency import IdempotencyKeyReused

Outcome = Literal["kept", "ended", "gone"]
"""Whether an end was kept, came after somebody else's, or after the run was deleted."""


class AgentChanged(Exception):
    """The agent has another version by now; nothing was written."""


class RunRepository:
    """The runs of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def start(self, begin: RunBegin) -> Started | Joined:
        """Commit the messages, the run and its events; or find the run that the key began.

        Raises:
            AgentNotFound: it was deleted a moment ago.
            AgentChanged: read it again.
            ConversationNotFound: the agent has no such conversation with that visitor.
            IdempotencyKeyReused: the key belongs to a different request.
            BudgetExceeded: a budget does not allow it; nothing was written.
        """
        result = await self._scope.call(
            "run_start_v4",
            run=_row(begin),
            messages=begin.messages,
            history_limit=begin.history_limit,
            events=_start_events(begin),
            budget=begin.budget,
        )
        match result["outcome"]:
            case "agent_not_found":
                raise AgentNotFound
            case "agent_changed":
                raise AgentChanged
            case "conversation_not_found":
                raise ConversationNotFound
            case "key_reused":
                raise IdempotencyKeyReused("Use a new key for a new request.")
            case "budget_exceeded":
                raise _exceeded(result)
            case "joined":
                return Joined(StoredRun.model_validate(result["run"]))
            case "silent":
                return Joined(StoredRun.model_validate(result["run"]), is_replay=False)
            case _:
                calls = [call for calls in result.get("tool_calls", ()) for call in calls]
                history = [_read(row) for row in result["history"]]
                unanswered = result.get("unanswered") or 0
                return Started(history, calls, unanswered, result.get("reserved"))

    async def finish(self, ids: RunIds, end: RunEnd, *, owner_id: str) -> Outcome:
        """End the run of this owner once."""
        message_status = "complete" if end.status == "completed" else "incomplete"
        completed = MessageCompleted(
            conversation_id=ids.conversation_id,
            message_id=ids.message_id,
            run_id=ids.run_id,
            agent_id=ids.agent_id,
            status=message_status,
            finish_reason=end.finish_reason,
        )
        return await self._scope.call(
            "run_finish_v3" if end.handoff is None else "run_hand_over_v1",
            **handing_over_arguments(ids, end.handoff),
            run={
                "id": ids.run_id,
                "owner_id": owner_id,
                "status": end.status,
                "last_event_id": end.last_event_id,
                "error": _error(end.problem, is_retryable=end.is_retryable),
                "usage": _usage(end.metadata),
                "model_id": end.fallback_id,
            },
            message={
                "id": ids.message_id,
                "content": end.content,
                "status": message_status,
                "sources": end.sources,
                "tool_calls": end.tool_calls,
                "metadata": end.metadata,
            },
            frames_base64=pack(end.frames),
            events=[
                *end.facts,
                EVENTS["message_completed"].of(completed, agent_id=ids.agent_id),
            ],
        )

    async def extend_budget(
        self, run_id: RunId, need: dict[str, dict[str, int]], *, owner_id: str
    ) -> None:
        """Set more aside for a run of this owner: `{tokens, usd: {entry, amount}}`.

        Raises:
            BudgetExceeded: a budget does not allow it.
            RunInterrupted: somebody else has ended the run.
        """
        result = await self._scope.call(
            "run_budget_extend_v1", run_id=run_id, owner_id=owner_id, need=need
        )
        if result["outcome"] == "budget_exceeded":
            raise _exceeded(result)
        if result["outcome"] == "ended":
            raise RunInterrupted("Another process has ended it.")

    async def find(self, agent_id: AgentId, run_id: RunId) -> StoredRun | None:
        """A run of this agent."""
        row = await self._read(agent_id, run_id, with_answer=False)
        return None if row is None else StoredRun.model_validate(row)

    async def find_answered(self, agent_id: AgentId, run_id: RunId) -> AnsweredRun | None:
        """A run of this agent with its answer and what it has streamed."""
        row = await self._read(agent_id, run_id, with_answer=True)
        return None if row is None else AnsweredRun.model_validate(row)

    async def _read(self, agent_id: AgentId, run_id: RunId, *, with_answer: bool) -> Any:
        return await self._scope.call(
            "run_read_v1", agent_id=agent_id, run_id=run_id, with_answer=with_answer
        )


def _row(begin: RunBegin) -> dict[str, Any]:
    ids = begin.ids
    return {
        "id": ids.run_id,
        "agent_id": ids.agent_id,
        "agent_version": begin.agent_version,
        "conversation_id": ids.conversation_id,
        "message_id": ids.message_id,
        "owner_id": begin.owner_id,
        "model_id": begin.model_id,
        "is_new_conversation": begin.is_new_conversation,
        "visitor_id": begin.visitor_id,
        "title": begin.title,
        "idempotency_key": begin.key and begin.key.key,
        "fingerprint": begin.key and begin.key.fingerprint,
        "counts_unanswered": begin.counts_unanswered,
    }


def _exceeded(refused: dict[str, Any]) -> BudgetExceeded:
    if refused["is_spent"]:
        why = "is used up"
    elif refused.get("is_too_long"):
        why = "has less left than this request would take"
    else:
        why = "is set aside for answers under way"
    return BudgetExceeded.until(
        refused["budget"],
        resets_at=rfc3339(datetime.fromisoformat(refused["resets_at"])),
        retry_after_s=refused["retry_after_s"],
        why=why,
    )


def _usage(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """What a run has used, with what that has cost in whole micro-USD (null where unknown)."""
    usage, cost = metadata.get("usage"), metadata.get("cost_usd")
    if usage is None:
        return None
    return {**usage, "cost_micro": None if cost is None else round(cost * MICRO)}


def _read(row: dict[str, str]) -> Message:
    """A message as the model reads it; a person of the team is marked as one."""
    if row["role"] == "operator":
        return Message("assistant", OPERATOR_MARK + row["content"])
    return Message(cast("Role", row["role"]), row["content"])


def _error(problem: Problem | None, *, is_retryable: bool) -> dict[str, Any] | None:
    if problem is None:
        return None
    kind = type(problem)
    return {"code": kind.code(), "title": kind.title(), "retryable": is_retryable}


def _start_events(begin: RunBegin) -> list[dict[str, Any]]:
    ids = begin.ids
    events: list[dict[str, Any]] = []
    if begin.is_new_conversation:
        started = ConversationStarted(
            conversation_id=ids.conversation_id,
            agent_id=ids.agent_id,
            visitor_id=begin.visitor_id,
        )
        events.append(EVENTS["conversation_started"].of(started, agent_id=ids.agent_id))
    question = next(row for row in reversed(begin.messages) if row["role"] == "user")
    received = MessageReceived(
        conversation_id=ids.conversation_id,
        message_id=question["id"],
        agent_id=ids.agent_id,
        visitor_id=begin.visitor_id,
    )
    events.append(EVENTS["message_received"].of(received, agent_id=ids.agent_id))
    return events
