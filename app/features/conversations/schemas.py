"""Conversations and messages as clients see them."""

from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from app.core.schemas import Body, Id, Json, Resource, Text, Timestamp, example

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Text]


class ConversationUpdate(Body):
    """The fields to be changed."""

    model_config = example(status="resolved", metadata={"order": "1042"})

    title: Title = ""
    status: Literal["active", "resolved"] = "active"
    metadata: Json = {}


class Conversation(Resource):
    """A thread between a visitor and an agent."""

    model_config = example(
        id="01938f5f-0d21-7f3a-9b6c-2e1d0c9f8a47",
        agent_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        visitor_id="visitante-1",
        title="Qual é o prazo de entrega para o Nordeste?",
        status="active",
        metadata={"order": "1042"},
        created_at="2026-11-23T20:30:00.123Z",
        updated_at="2026-11-23T20:30:02.456Z",
    )

    id: Id
    agent_id: Id
    visitor_id: str | None
    title: str
    status: Literal["active", "resolved"]
    metadata: Json
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
        created_at="2026-11-23T20:30:02.456Z",
    )

    id: Id
    role: Literal["user", "assistant", "system"]
    content: str
    status: Literal["complete", "incomplete"]
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    metadata: Json
    created_at: Timestamp
