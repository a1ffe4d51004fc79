"""Runs in the database: committed before the model is asked, and ended once."""

from typing import Any, Literal, cast

from app.core.errors import Problem
from app.core.ids import AgentId, OrganizationId, RunId
from app.domain_events import EVENTS
from app.domain_events.conversation_started import ConversationStarted
from app.domain_events.message_completed import MessageCompleted
from app.domain_events.message_received import MessageReceived
from app.features.agents.errors import AgentNotFound
from app.features.chat.errors import IdempotencyKeyReused
from app.features.chat.frames import pack
from app.features.chat.records import (
    AnsweredRun,
    Joined,
    RunBegin,
    RunEnd,
    RunIds,
    RunProgress,
    Started,
    StoredRun,
)
from app.features.conversations.errors import ConversationNotFound
from app.ports.llm import Message
from app.ports.store import Database

HISTORY_LIMIT = 50

Hold = Literal["running", "cancelled", "ended", "gone"]
"""What a process learns of its run: go on, stop it, another has ended it, it was deleted."""


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
        """
        result = await self._scope.call(
            "run_start_v2",
            run=_row(begin),
            messages=begin.messages,
            history_limit=HISTORY_LIMIT,
            events=_start_events(begin),
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
            case "joined":
                return Joined(StoredRun.model_validate(result["run"]))
            case _:
                return Started([Message(row["role"], row["content"]) for row in result["history"]])

    async def finish(self, ids: RunIds, end: RunEnd) -> Outcome:
        """End the run once."""
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
            "run_finish_v2",
            run={
                "id": ids.run_id,
                "status": end.status,
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
            frames_base64=pack(end.frames),
            events=[EVENTS["message_completed"].of(completed, agent_id=ids.agent_id)],
        )

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

    async def request_cancel(self, run_id: RunId) -> None:
        """Ask the run's owner, whichever process it is, to stop it."""
        await self._scope.call("run_cancel_v1", run_id=run_id)


class RunUpkeep:
    """What a process does for all runs of its own, and for those whose process is gone."""

    def __init__(self, database: Database, process_id: str) -> None:
        self._system = database.system()
        self._process_id = process_id

    async def flush(self, runs: list[RunProgress]) -> dict[RunId, Hold]:
        """Keep what the runs have written so far; says of each whether it may go on."""
        rows = [
            {
                "id": run.ids.run_id,
                "organization_id": run.ids.organization_id,
                "message_id": run.ids.message_id,
                "content": run.content,
                "sources": run.sources,
                "last_event_id": run.last_event_id,
                "frames_base64": pack(run.frames),
            }
            for run in runs
        ]
        states = await self._system.call("runs_flush_v1", owner_id=self._process_id, runs=rows)
        return cast("dict[RunId, Hold]", states)

    async def beat(
        self, *, silent_s: int, live: list[RunId]
    ) -> tuple[list[StoredRun], list[RunId]]:
        """Tell that this process lives; runs of silent ones, ended now, and own ones to cancel.

        Its own runs are ended too where they are not among the `live` ones.
        """
        result = await self._system.call(
            "process_beat_v2", id=self._process_id, silent_s=silent_s, live=live
        )
        return [StoredRun.model_validate(row) for row in result["ended"]], result["cancelled"]

    async def leave(self) -> None:
        """Take the heartbeat away."""
        await self._system.call("process_leave_v1", id=self._process_id)

    async def purge(self) -> None:
        """Forget the streams and keys whose time is over."""
        await self._system.call("runs_purge_v1")


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
    }


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
