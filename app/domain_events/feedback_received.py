"""Somebody said what they think of an answer."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class FeedbackReceived(EventData):
    """Somebody rated an answer, or changed their mind; `rating` is 1 or -1."""

    conversation_id: str
    message_id: str
    agent_id: str
    visitor_id: str | None
    rating: int
    reasons: list[str]
    comment: str | None


EVENT = EventKind(
    "feedback_received",
    "Somebody rated an answer, or changed their mind.",
    FeedbackReceived(
        conversation_id=ID,
        message_id=ID,
        agent_id=ID,
        visitor_id="visitor-1",
        rating=-1,
        reasons=["outdated"],
        comment="O prazo mudou em novembro.",
    ),
)
