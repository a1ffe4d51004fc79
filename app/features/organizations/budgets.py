"""Budgets of an organization and of widgets' keys, as the rules by which the database counts."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from app.core.schemas import rfc3339
from app.features.organizations.chosen import Chosen
from app.ports.llm import micro
from app.web.caller import VisitorBudget

Owner = Literal["organization", "agent", "visitor"]
OWNERS: tuple[Owner, ...] = ("organization", "agent", "visitor")
# What is set beside the others, under the name that everybody knows.
MONTHLY_USD = "organization_usd_per_month"
_NAME = re.compile(r"(organization|agent|visitor)_(tokens|usd)_per_(day|month)")


@dataclass(frozen=True, slots=True)
class RunBudget:
    """What one run may use; None is no bound."""

    tokens: int | None
    micro_usd: int | None


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a month by the organization's clock."""

    starts_at: str
    ends_at: str


def in_micro(usd: float) -> int:
    """An amount as it is set, in whole micro-USD."""
    return micro(Decimal(str(usd)))


def run_budget(chosen: Chosen, *, agent_usd: float | None) -> RunBudget:
    """What one run may use: by the settings, and by its agent, whichever is less."""
    budgets = chosen.budgets
    tokens = budgets.get("run_tokens")
    usd = [amount for amount in (budgets.get("run_usd"), agent_usd) if amount is not None]
    return RunBudget(
        int(tokens) if tokens is not None else None, in_micro(min(usd)) if usd else None
    )


def rules(
    chosen: Chosen, now: datetime, *, agent_id: str, visitor_id: str | None
) -> list[dict[str, Any]]:
    """The rules that hold for an answer of the agent to the visitor."""
    subjects = {"organization": "", "agent": agent_id, "visitor": visitor_id}
    return [
        _rule(chosen, now, name, owner, subject, ceiling)
        for name, owner, ceiling in _set(chosen)
        if (subject := subjects[owner]) is not None
    ]


def organization_rules(chosen: Chosen, now: datetime) -> list[dict[str, Any]]:
    """Those that bound the organization as a whole."""
    return [
        _rule(chosen, now, name, owner, "", ceiling)
        for name, owner, ceiling in _set(chosen)
        if owner == "organization"
    ]


def widget_rules(chosen: Chosen, now: datetime, budget: VisitorBudget) -> list[dict[str, Any]]:
    """What the key of a widget allows a day: in all, to one visitor, and to one address."""
    key = budget.widget_key_id
    # An address is a person's: what is counted by cannot be read back without trying them all.
    address = hashlib.sha256(f"{key}:{budget.address}".encode()).hexdigest()
    wanted = (
        ("widget_tokens_per_day", key, budget.tokens),
        ("widget_visitor_tokens_per_day", f"{key}:{budget.visitor_id}", budget.visitor_tokens),
        ("widget_address_tokens_per_day", f"{key}:{address}", budget.address_tokens),
    )
    return [
        _rule(chosen, now, name, "widget", subject, ceiling) for name, subject, ceiling in wanted
    ]


def _set(chosen: Chosen) -> Iterator[tuple[str, str, int]]:
    amounts: dict[str, float] = dict(chosen.budgets)
    if chosen.monthly_budget_usd is not None:
        amounts[MONTHLY_USD] = chosen.monthly_budget_usd
    for name, amount in amounts.items():
        if match := _NAME.fullmatch(name):
            yield name, match[1], in_micro(amount) if match[2] == "usd" else int(amount)


def _rule(
    chosen: Chosen, now: datetime, name: str, owner: str, subject: str, ceiling: int
) -> dict[str, Any]:
    period = period_of(chosen.zone, now, is_month=name.endswith("_month"))
    return {
        "name": name,
        "subject": subject,
        "of": owner,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "unit": "usd" if "_usd_" in name else "tokens",
        "ceiling": ceiling,
        # There are too many visitors to tell of each.
        "is_told": owner in ("organization", "agent") or name == "widget_tokens_per_day",
    }


def period_of(zone: ZoneInfo, now: datetime, *, is_month: bool) -> Period:
    """The day or the month in which a moment lies."""
    day = now.astimezone(zone)
    return _period(zone.key, day.year, day.month, 1 if is_month else day.day, is_month)


@lru_cache(maxsize=512)
def _period(zone: str, year: int, month: int, day: int, is_month: bool) -> Period:
    begins = datetime(year, month, day, tzinfo=ZoneInfo(zone))
    following = begins + timedelta(days=32 if is_month else 1)
    ends = following.replace(day=1) if is_month else following
    return Period(rfc3339(begins), rfc3339(ends))
