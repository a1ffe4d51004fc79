"""Budgets and what was used of them, as clients send and receive them."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.schemas import Body, Resource
from app.ports.llm import MICRO


def _whole(usd: float) -> float:
    if abs(usd * MICRO - round(usd * MICRO)) > 0.001:
        raise ValueError("has more than six decimals")
    return usd


Usd = Annotated[float, Field(ge=0, le=1_000_000_000), AfterValidator(_whole)]
Tokens = Annotated[int, Field(ge=0, le=10**15)]


class BudgetsUpdate(Body):
    """Budgets to be changed; null takes one away. Days and months begin by `timezone`."""

    organization_tokens_per_day: Tokens | None = None
    organization_tokens_per_month: Tokens | None = None
    organization_usd_per_day: Usd | None = Field(
        default=None, description="The month's is `monthly_budget_usd`."
    )
    agent_tokens_per_day: Tokens | None = Field(default=None, description="Of each agent.")
    agent_tokens_per_month: Tokens | None = None
    agent_usd_per_day: Usd | None = None
    agent_usd_per_month: Usd | None = None
    visitor_tokens_per_day: Tokens | None = Field(
        default=None, description="Of each `visitor_id`; chats without one are not bounded by it."
    )
    visitor_tokens_per_month: Tokens | None = None
    visitor_usd_per_day: Usd | None = None
    visitor_usd_per_month: Usd | None = None
    run_tokens: Tokens | None = Field(
        default=None, description="Of one answer, with all that its tools cause to be read."
    )
    run_usd: Usd | None = Field(
        default=None, description="The same; an agent's `guardrails.max_cost_usd` may be less."
    )


class Budgets(Resource):
    """The budgets that hold beside `monthly_budget_usd`; null is none."""

    organization_tokens_per_day: int | None = None
    organization_tokens_per_month: int | None = None
    organization_usd_per_day: float | None = None
    agent_tokens_per_day: int | None = None
    agent_tokens_per_month: int | None = None
    agent_usd_per_day: float | None = None
    agent_usd_per_month: float | None = None
    visitor_tokens_per_day: int | None = None
    visitor_tokens_per_month: int | None = None
    visitor_usd_per_day: float | None = None
    visitor_usd_per_month: float | None = None
    run_tokens: int | None = None
    run_usd: float | None = None
