"""A delivery was given up."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class WebhookDeliveryFailed(EventData):
    """A delivery was given up."""

    delivery_id: str
    webhook_id: str
    event_type: str
    attempts: int
    error: str | None


# Delivered itself, it would tell failing endpoints of their failures without end.
EVENT = EventKind(
    "webhook_delivery_failed",
    "A delivery was given up after its last attempt.",
    WebhookDeliveryFailed(
        delivery_id=ID,
        webhook_id=ID,
        event_type="message_completed",
        attempts=10,
        error="http_status",
    ),
    is_delivered=False,
)
