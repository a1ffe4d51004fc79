"""A visitor sent a message."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class MessageReceived(EventData):
    """A visitor sent a message."""

    conversation_id: str
    message_id: str
    agent_id: str
    visitor_id: str | None


EVENT = EventKind(
    "message_received",
    "A visitor sent a message.",
    MessageReceived(conversation_id=ID, message_id=ID, agent_id=ID, visitor_id="visitor-1"),
)
