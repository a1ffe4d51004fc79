"""A conversation was marked as resolved."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class ConversationResolved(EventData):
    """A conversation was marked as resolved."""

    conversation_id: str
    agent_id: str


EVENT = EventKind(
    "conversation_resolved",
    "A conversation was marked as resolved.",
    ConversationResolved(conversation_id=ID, agent_id=ID),
)
