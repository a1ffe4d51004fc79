"""Four fifths of a budget are used."""

from app.domain_events.event import EventData, EventKind


class BudgetWarning(EventData):
    """Four fifths of a budget are used."""

    budget: str
    agent_id: str | None
    widget_key_id: str | None
    unit: str
    limit: float
    used: float
    resets_at: str


EVENT = EventKind(
    "budget_warning",
    "80 % of a budget are used, or a request is longer than what is left of it; the organization's,"
    " an agent's or a widget key's. Once a period.",
    BudgetWarning(
        budget="organization_usd_per_month",
        agent_id=None,
        widget_key_id=None,
        unit="usd",
        limit=50,
        used=40.1,
        resets_at="2026-12-01T03:00:00.000Z",
    ),
)
