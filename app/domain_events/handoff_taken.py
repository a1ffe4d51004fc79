"""A person has taken a conversation over."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class HandoffTaken(EventData):
    """A person has taken over a conversation in which one was asked for."""

    conversation_id: str
    agent_id: str
    visitor_id: str | None
    taken_by: str


EVENT = EventKind(
    "handoff_taken",
    "A person has taken over a conversation in which one was asked for.",
    HandoffTaken(conversation_id=ID, agent_id=ID, visitor_id="visitor-1", taken_by="Ana"),
)
