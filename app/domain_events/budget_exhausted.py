"""A budget is used up."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class BudgetExhausted(EventData):
    """A budget is used up; until it begins anew, what it bounds is refused."""

    budget: str
    agent_id: str | None
    widget_key_id: str | None
    unit: str
    limit: float
    used: float
    resets_at: str


EVENT = EventKind(
    "budget_exhausted",
    "A budget is used up, the organization's, an agent's or a widget key's: chats are refused with"
    " 402 until it begins anew. Once a period.",
    BudgetExhausted(
        budget="agent_tokens_per_day",
        agent_id=ID,
        widget_key_id=None,
        unit="tokens",
        limit=200_000,
        used=199_120,
        resets_at="2026-11-27T03:00:00.000Z",
    ),
)
