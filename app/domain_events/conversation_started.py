"""A visitor began a conversation."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class ConversationStarted(EventData):
    """A visitor began a conversation."""

    conversation_id: str
    agent_id: str
    visitor_id: str | None


EVENT = EventKind(
    "conversation_started",
    "A visitor began a conversation.",
    ConversationStarted(conversation_id=ID, agent_id=ID, visitor_id="visitor-1"),
)
