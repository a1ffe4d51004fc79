"""Facts that the service announces: one file a fact, one type for the event stream and webhooks."""

from app.core.registry import Registry, load
from app.domain_events.event import EventKind

EVENTS: Registry[EventKind] = Registry(
    "event",
    load(
        __name__,
        "EVENT",
        (
            "approval_requested",
            "budget_exhausted",
            "budget_warning",
            "conversation_resolved",
            "conversation_started",
            "conversion_recorded",
            "document_failed",
            "document_ready",
            "feedback_received",
            "form_submitted",
            "handoff_returned",
            "handoff_taken",
            "human_requested",
            "lead_captured",
            "lead_updated",
            "message_completed",
            "message_received",
            "operator_replied",
            "system_update",
            "tool_failed",
            "webhook_delivery_failed",
            "webhook_disabled",
        ),
    ),
)
