"""Facts that the service announces: one file a fact, one type for the event stream and webhooks."""

from app.core.registry import Registry, load
from app.domain_events.event import EventKind

EVENTS: Registry[EventKind] = Registry(
    "event",
    load(
        __name__,
        "EVENT",
        (
            "conversation_resolved",
            "conversation_started",
            "document_failed",
            "document_ready",
            "message_completed",
            "message_received",
        ),
    ),
)
