"""An agent's answer ended, whole or not."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class MessageCompleted(EventData):
    """An agent's answer ended, whole or not."""

    conversation_id: str
    message_id: str
    run_id: str
    agent_id: str
    status: str
    finish_reason: str


EVENT = EventKind(
    "message_completed",
    "An agent's answer ended, whole or not.",
    MessageCompleted(
        conversation_id=ID,
        message_id=ID,
        run_id=ID,
        agent_id=ID,
        status="complete",
        finish_reason="stop",
    ),
)
