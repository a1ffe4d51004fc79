"""What an organization has used in a month, as clients receive it."""

from datetime import date
from typing import Literal

from pydantic import Field

from app.core.schemas import Id, Resource, Timestamp, example

DAY = {
    "runs": 40,
    "input_tokens": 52_000,
    "output_tokens": 9_100,
    "cached_tokens": 0,
    "cost_usd": 0.0133,
    "unpriced_runs": 0,
}
AGENT = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class Used(Resource):
    """Tokens of answers that have ended, and what they have cost.

    `cost_usd` leaves out the `unpriced_runs`, whose model's price is unknown; it is null where
    that is all of them.
    """

    runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = Field(default=0, description="Of the input, from the provider's cache.")
    cost_usd: float | None = 0
    unpriced_runs: int = 0


class UsedByDay(Used):
    """Of the answers that began on one day, by the organization's clock."""

    date: date


class UsedByModel(Used):
    """Of one model, by the id that was asked for."""

    model_id: str


class UsedByAgent(Used):
    """Of one agent; one that is deleted has no name."""

    agent_id: Id
    name: str | None


class Reserved(Resource):
    """What is set aside for answers under way."""

    runs: int
    tokens: int
    cost_usd: float


class BudgetState(Resource):
    """How a budget of the organization stands. Answers that were deleted stay counted."""

    budget: str
    unit: Literal["tokens", "usd"]
    limit: float
    used: float
    reserved: float
    remaining: float
    resets_at: Timestamp


class MonthUsage(Resource):
    """This month so far."""

    model_config = example(
        month="2026-11",
        timezone="America/Sao_Paulo",
        starts_at="2026-11-01T03:00:00.000Z",
        resets_at="2026-12-01T03:00:00.000Z",
        total=DAY,
        by_day=[{"date": "2026-11-01", **DAY}],
        by_model=[{"model_id": "gpt-4o-mini", **DAY}],
        by_agent=[{"agent_id": AGENT, "name": "Atendente Aurora", **DAY}],
        reserved={"runs": 1, "tokens": 2400, "cost_usd": 0.0011},
        budgets=[
            {
                "budget": "organization_usd_per_month",
                "unit": "usd",
                "limit": 50,
                "used": 0.0133,
                "reserved": 0.0011,
                "remaining": 49.9856,
                "resets_at": "2026-12-01T03:00:00.000Z",
            }
        ],
    )

    month: str
    timezone: str
    starts_at: Timestamp
    resets_at: Timestamp
    total: Used
    by_day: list[UsedByDay] = Field(description="Every day so far, the first one first.")
    by_model: list[UsedByModel] = Field(description="The dearest first.")
    by_agent: list[UsedByAgent] = Field(description="The dearest first.")
    reserved: Reserved
    budgets: list[BudgetState] = Field(description="Those that bound the organization as a whole.")
