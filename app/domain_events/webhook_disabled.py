"""A webhook was switched off by the service."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class WebhookDisabled(EventData):
    """A webhook was switched off by the service."""

    webhook_id: str
    name: str
    reason: str


EVENT = EventKind(
    "webhook_disabled",
    "A webhook was switched off: it answered 410 (`gone`), or only failed for days (`failing`).",
    WebhookDisabled(webhook_id=ID, name="CRM", reason="failing"),
)
