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

    id: Id
    role: Literal["user", "assistant", "system"]
    content: str
    status: Literal["complete", "incomplete"]
    sources: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    metadata: Json
    created_at: Timestamp
