"""Conversations and messages as clients see them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator

from app.core.schemas import Body, Id, Json, Resource, Text, Timestamp, example

Status = Literal["active", "resolved", "human_requested"]
HANDOFF = {
    "reason": "customer_request",
    "requested_by": "visitor",
    "summary": "user: Quero falar com uma pessoa.",
    "summary_source": "last_messages",
    "requested_at": "2026-11-23T20:30:02.456Z",
    "taken_by": "Ana",
    "taken_at": "2026-11-23T20:31:00.123Z",
    "returned_at": None,
}
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Text]


class ConversationUpdate(Body):
    """The fields to be changed."""

    model_config = example(status="resolved", metadata={"order": "1042"})

    title: Title = ""
    status: Status = Field(
        default="active",
        description="`human_requested` asks for a person, by your decision; `active` gives the"
        " conversation back to the agent; `resolved` closes it.",
    )
    metadata: Json = {}


HandoffReason = Literal[
    "customer_request",
    "missing_knowledge",
    "unsupported_request",
    "policy_restriction",
    "tool_failure",
    "pending_clarification",
    "usage_limit",
]


class Handoff(Resource):
    """A person is or was asked for; there is no `returned_at` while the agent is silent."""

    model_config = example(**HANDOFF)

    reason: HandoffReason
    requested_by: Literal["visitor", "rule", "model", "operator"] = Field(
        description="The visitor, a rule of the agent, the model, or the organization itself."
    )
    summary: str
    summary_source: Literal["model", "caller", "last_messages"] = Field(
        description="Who wrote the summary; `last_messages` when nobody did: then it is those."
    )
    requested_at: Timestamp
    taken_by: str | None = None
    taken_at: Timestamp | None = None
    returned_at: Timestamp | None = None


class Conversation(Resource):
    """A thread between a visitor and an agent."""

    model_config = example(
        id="01938f5f-0d21-7f3a-9b6c-2e1d0c9f8a47",
        agent_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        visitor_id="visitante-1",
        title="Qual é o prazo de entrega para o Nordeste?",
        status="human_requested",
        metadata={"order": "1042"},
        handoff=HANDOFF,
        version=3,
        created_at="2026-11-23T20:30:00.123Z",
        updated_at="2026-11-23T20:30:02.456Z",
    )

    id: Id
    agent_id: Id
    visitor_id: str | None
    title: str
    status: Status
    metadata: Json
    handoff: Handoff | None = Field(description="The latest there was.")
    version: int
    created_at: Timestamp
    updated_at: Timestamp


def _plain_integer(value: object) -> object:
    # Left to itself pydantic takes `true` and `1.0` for 1.
    if type(value) is not int:
        raise ValueError("must be 1 or -1")
    return value


Rating = Annotated[Literal[1, -1], BeforeValidator(_plain_integer)]
Reason = Literal[
    "helpful",
    "clear",
    "quick",
    "friendly",
    "incorrect",
    "incomplete",
    "off_topic",
    "outdated",
    "unclear",
    "slow",
    "impolite",
    "other",
]
Comment = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), Text]


class FeedbackGive(Body):
    """What somebody thinks of an answer."""

    model_config = example(
        rating=-1, comment="O prazo mudou em novembro.", reasons=["outdated", "incomplete"]
    )

    rating: Rating = Field(description="1 is good, -1 is not.")
    comment: Comment | None = None
    reasons: Annotated[list[Reason], Field(max_length=5)] = Field(
        default=[], description="Each once."
    )

    @field_validator("reasons")
    @classmethod
    def _once_each(cls, reasons: list[Reason]) -> list[Reason]:
        if len(set(reasons)) < len(reasons):
            raise ValueError("holds a reason twice")
        return reasons


class Feedback(Resource):
    """What one person thinks of one answer."""

    model_config = example(
        rating=-1,
        comment="O prazo mudou em novembro.",
        reasons=["outdated", "incomplete"],
        given_by="visitor:visitante-1",
        created_at="2026-11-23T20:31:00.123Z",
        updated_at="2026-11-23T20:31:00.123Z",
    )

    rating: Rating
    comment: str | None
    reasons: list[str]
    given_by: str
    created_at: Timestamp
    updated_at: Timestamp


class ConversationMessage(Resource):
    """What was said; an `incomplete` answer was cut short and holds what had been written."""

    model_config = example(
        id="01938f5f-0e02-7c55-8d10-5a4b3c2d1e0f",
        role="assistant",
        content="O prazo para o Nordeste é de 6 a 9 dias úteis. [1]",
        status="complete",
        sources=[{"index": 1, "source": "loja-aurora.md", "score": 0.82}],
        tool_calls=[],
        metadata={"model": "local", "provider": "local", "finish_reason": "stop"},
        feedback=None,
        created_at="2026-11-23T20:30:02.456Z",
    )

    id: Id
    role: Literal["user", "assistant", "system", "operator"] = Field(
        description="`operator` is a person who answers in place of the agent."
    )
    content: str
    status: Literal["complete", "incomplete"]
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    metadata: Json
    feedback: Feedback | None = Field(
        description="The newest there is on it; a visitor sees its own only."
    )
    created_at: Timestamp
