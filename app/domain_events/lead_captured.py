"""A lead became complete."""

from pydantic import Field

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class LeadCaptured(EventData):
    """A lead became complete; told once for each lead, with what is known at that moment."""

    lead_id: str
    source: str
    agent_id: str | None = None
    conversation_id: str | None = None
    visitor_id: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    document: str | None = None
    company: str | None = None
    fields: dict[str, str | int | float | bool] = Field(
        default_factory=dict[str, str | int | float | bool]
    )
    has_consent: bool = False


EVENT = EventKind(
    "lead_captured",
    "A lead became complete.",
    LeadCaptured(
        lead_id=ID,
        source="chat",
        agent_id=ID,
        conversation_id=ID,
        visitor_id="visitor-1",
        name="Ana Souza",
        email="ana@exemplo.com.br",
        phone="+5511987654321",
        fields={"interesse": "plano anual"},
        has_consent=True,
    ),
)
