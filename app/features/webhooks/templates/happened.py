"""What advertisers ask about a conversion, told alike for leads, forms and the ledger's entries."""

from dataclasses import dataclass
from datetime import datetime

from app.features.webhooks.templates.template import Event

FORWARDED = ("conversion_recorded", "lead_captured", "form_submitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One conversion; a refund has `takes_back`, and its amount is positive."""

    id: str
    kind: str
    """`lead`, `form`, or the type that the ledger was given."""
    at: datetime
    client: str
    """By what the visitor is told from others; nothing else is known of them."""
    value: float | None = None
    currency: str | None = None
    transaction: str | None = None
    takes_back: bool = False


def happened(event: Event) -> Happened:
    """The conversion that the event tells of."""
    data = event["data"]
    client = data.get("visitor_id") or data.get("conversation_id") or data.get("lead_id") or ""
    told_at = datetime.fromisoformat(data.get("occurred_at") or event["timestamp"])
    if event["type"] != "conversion_recorded":
        is_lead = event["type"] == "lead_captured"
        return Happened(
            id=data["lead_id"] if is_lead else data["submission_id"],
            kind="lead" if is_lead else "form",
            at=told_at,
            client=client,
        )
    value = data.get("value")
    is_refund = data.get("kind") == "refund"
    return Happened(
        id=data["conversion_id"],
        kind=data.get("type") or "conversion",
        at=told_at,
        client=client,
        value=value if value is None else abs(value),
        currency=data.get("currency"),
        transaction=(data.get("refunded_id") if is_refund else None) or data.get("external_id"),
        takes_back=is_refund,
    )
