"""A person is asked for in a conversation."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class HumanRequested(EventData):
    """A person is asked for; the agent is silent until the conversation is given back to it.

    `summary` is the model's or the caller's own, or the last messages, as `summary_source` says.
    """

    conversation_id: str
    agent_id: str
    visitor_id: str | None
    reason: str
    requested_by: str
    summary: str
    summary_source: str


EVENT = EventKind(
    "human_requested",
    "A person is asked for; the agent is silent until the conversation is given back to it.",
    HumanRequested(
        conversation_id=ID,
        agent_id=ID,
        visitor_id="visitor-1",
        reason="customer_request",
        requested_by="visitor",
        summary="user: Quero falar com uma pessoa.",
        summary_source="last_messages",
    ),
)
