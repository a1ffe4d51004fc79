"""Runs as they are written to the database and read from it."""

from dataclasses import dataclass
from typing import Any, Literal

from app.core.errors import Problem
from app.core.ids import AgentId, ConversationId, MessageId, OrganizationId, RunId
from app.core.schemas import Resource, Timestamp
from app.features.chat.errors import RunDeleted
from app.features.chat.handoff import HandoffAsked
from app.ports.llm import Message

RunStatus = Literal["running", "awaiting_approval", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIds:
    """What a run belongs to."""

    organization_id: OrganizationId
    run_id: RunId
    agent_id: AgentId
    conversation_id: ConversationId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class RunKey:
    """The `Idempotency-Key` of a request and what tells equal requests."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegin:
    """A run about to begin; `messages` are new rows `{id, role, content, status}`.

    Of the history before them the last `history_limit` messages are wanted.
    """

    ids: RunIds
    agent_version: int
    owner_id: str
    model_id: str
    is_new_conversation: bool
    visitor_id: str | None
    title: str
    messages: list[dict[str, str]]
    history_limit: int
    key: RunKey | None
    counts_unanswered: bool = False
    budget: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, what it had written, all that it has streamed, and the facts to announce."""

    status: RunStatus
    content: str
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    metadata: dict[str, Any]
    finish_reason: str
    problem: Problem | None
    is_retryable: bool
    last_event_id: int
    frames: list[bytes]
    facts: list[dict[str, Any]]
    fallback_id: str | None = None
    handoff: HandoffAsked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """What a run under way has written, called and streamed so far."""

    ids: RunIds
    content: str
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    last_event_id: int
    frames: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWait:
    """A run that is put down until a person has decided on its `calls`."""

    content: str
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    state: dict[str, Any]
    last_event_id: int
    frames: list[bytes]
    facts: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RunSoFar:
    """What a run had shown, spent and streamed when it was put down."""

    shown: dict[str, Any]
    account: dict[str, Any]
    frames: list[bytes]


class RunError(Resource):
    """Why a run failed; `retryable` where asking again may help and does nothing twice."""

    code: str
    title: str
    retryable: bool


class StoredRun(Resource):
    """A run as the database knows it."""

    id: RunId
    organization_id: OrganizationId
    agent_id: AgentId
    agent_version: int
    conversation_id: ConversationId
    message_id: MessageId
    status: RunStatus
    last_event_id: int
    error: RunError | None
    started_at: Timestamp
    ended_at: Timestamp | None
    is_expired: bool

    @property
    def ids(self) -> RunIds:
        """What it belongs to."""
        return RunIds(
            organization_id=self.organization_id,
            run_id=self.id,
            agent_id=self.agent_id,
            conversation_id=self.conversation_id,
            message_id=self.message_id,
        )


class StoredAnswer(Resource):
    """The message that a run has written."""

    role: str = "assistant"
    content: str
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    metadata: dict[str, Any]


class AnsweredRun(StoredRun):
    """A run with its answer and what it has streamed."""

    frames_base64: str | None
    message: StoredAnswer | None

    @property
    def is_silent(self) -> bool:
        """Whether it has answered nothing, as a person was asked for: its message is the user's."""
        return self.message is not None and self.message.role == "user"


def deleted(run: StoredRun) -> AnsweredRun:
    """How a run ends whose conversation was deleted meanwhile."""
    error = RunError(code=RunDeleted.code(), title=RunDeleted.title(), retryable=False)
    fields = run.model_dump() | {"status": "failed", "error": error}
    return AnsweredRun.model_validate(fields | {"frames_base64": None, "message": None})


@dataclass(frozen=True, slots=True)
class Started:
    """The run has begun, with the history before it and the calls that were made for it.

    `reserved` is what was set aside for it, `{tokens, usd}`, where budgets hold.
    """

    history: list[Message]
    earlier_calls: list[dict[str, Any]]
    unanswered: int = 0
    reserved: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The key belongs to an earlier request, which began this run; or nobody answers it."""

    run: StoredRun
    is_replay: bool = True
