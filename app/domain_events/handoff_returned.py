"""A conversation was given back to its agent."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class HandoffReturned(EventData):
    """A conversation that a person was asked for was given back to its agent."""

    conversation_id: str
    agent_id: str
    visitor_id: str | None


EVENT = EventKind(
    "handoff_returned",
    "A conversation that a person was asked for was given back to its agent.",
    HandoffReturned(conversation_id=ID, agent_id=ID, visitor_id="visitor-1"),
)
