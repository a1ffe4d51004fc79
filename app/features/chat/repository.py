"""Runs in the database: committed before the model is asked, and ended once."""

from dataclasses import dataclass
from typing import Any

from app.core.errors import Problem
from app.core.ids import AgentId, ConversationId, MessageId, OrganizationId, RunId
from app.domain_events import EVENTS
from app.domain_events.conversation_started import ConversationStarted
from app.domain_events.message_completed import MessageCompleted
from app.domain_events.message_received import MessageReceived
from app.features.agents.errors import AgentNotFound
from app.features.conversations.errors import ConversationNotFound
from app.ports.llm import Message
from app.ports.store import Database

HISTORY_LIMIT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIds:
    """What a run belongs to."""

    organization_id: OrganizationId
    run_id: RunId
    agent_id: AgentId
    conversation_id: ConversationId
    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegin:
    """A run about to begin; `messages` are new rows `{id, role, content, status}`."""

    ids: RunIds
    agent_version: int
    owner_id: str
    model_id: str
    is_new_conversation: bool
    visitor_id: str | None
    title: str
    messages: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended and what it had written."""

    content: str
    sources: list[dict[str, Any]]
    metadata: dict[str, Any]
    last_event_id: int
    finish_reason: str
    problem: Problem | None


class RunRepository:
    """The runs of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def start(self, begin: RunBegin) -> list[Message]:
        """Commit the messages, the run and its events; returns the history before them.

        Raises:
            AgentNotFound: it was deleted a moment ago.
            ConversationNotFound: the agent has no such conversation with that visitor.
        """
        ids = begin.ids
        result = await self._scope.call(
            "run_start_v1",
            run={
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
            },
            messages=begin.messages,
            history_limit=HISTORY_LIMIT,
            events=_start_events(begin),
        )
        match result["outcome"]:
            case "agent_not_found":
                raise AgentNotFound
            case "conversation_not_found":
                raise ConversationNotFound
            case _:
                return [Message(row["role"], row["content"]) for row in result["history"]]

    async def flush(self, ids: RunIds, content: str, *, last_event_id: int) -> bool:
        """Keep what was written so far; False when somebody else has ended the run."""
        return bool(
            await self._scope.call(
                "run_flush_v1",
                run_id=ids.run_id,
                message_id=ids.message_id,
                content=content,
                last_event_id=last_event_id,
            )
        )

    async def finish(self, ids: RunIds, end: RunEnd) -> bool:
        """End the run once; False when somebody else has ended it."""
        status = "failed" if end.problem else "completed"
        message_status = "incomplete" if end.problem else "complete"
        completed = MessageCompleted(
            conversation_id=ids.conversation_id,
            message_id=ids.message_id,
            run_id=ids.run_id,
            agent_id=ids.agent_id,
            status=message_status,
            finish_reason=end.finish_reason,
        )
        return bool(
            await self._scope.call(
                "run_finish_v1",
                run={
                    "id": ids.run_id,
                    "status": status,
                    "last_event_id": end.last_event_id,
                    "error": _error(end.problem),
                    "usage": end.metadata.get("usage"),
                },
                message={
                    "id": ids.message_id,
                    "content": end.content,
                    "status": message_status,
                    "sources": end.sources,
                    "metadata": end.metadata,
                },
                events=[EVENTS["message_completed"].of(completed, agent_id=ids.agent_id)],
            )
        )


def _error(problem: Problem | None) -> dict[str, Any] | None:
    if problem is None:
        return None
    kind = type(problem)
    return {"code": kind.code(), "title": kind.title(), "retryable": kind.retryable}


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
