"""This month's usage against the budgets."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.core.schemas import rfc3339
from app.features.organizations.budgets import organization_rules, period_of
from app.features.organizations.known import KnownSettings
from app.features.settings.usage_schemas import MonthUsage
from app.ports import Ports
from app.ports.llm import MICRO
from app.web.auth import Caller

# What `grouping` says of a row that stands for one day, one model, one agent, or for all.
BY_DAY, BY_MODEL, BY_AGENT, IN_ALL = 0b011, 0b101, 0b110, 0b111
Rows = list[dict[str, Any]]


class UsageService:
    """What the caller's organization has used."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._clock, self._organization_id = ports.clock, caller.organization_id
        self._settings = KnownSettings(ports)
        self._scope = ports.database.scoped(caller.organization_id)

    async def month(self) -> MonthUsage:
        """Since the month began, with every day so far."""
        chosen, now = await self._settings.of(self._organization_id), self._clock.now()
        period = period_of(chosen.zone, now, is_month=True)
        days = _days(chosen.zone, now)
        report = await self._scope.call(
            "usage_report_v1",
            days=[rfc3339(_begin(day, chosen.zone)) for day in days],
            to=period.ends_at,
            rules=organization_rules(chosen, now),
        )
        groups: Rows = report["groups"]
        by_day = {row["day"]: row for row in groups if row["kind"] == BY_DAY}
        total = next((row for row in groups if row["kind"] == IN_ALL), None)
        return MonthUsage.model_validate(
            {
                "month": f"{days[0]:%Y-%m}",
                "timezone": chosen.timezone,
                "starts_at": period.starts_at,
                "resets_at": period.ends_at,
                "total": _used(total),
                "by_day": [
                    {**_used(by_day.get(place)), "date": day} for place, day in enumerate(days, 1)
                ],
                "by_model": _dearest_first(groups, BY_MODEL),
                "by_agent": _dearest_first(groups, BY_AGENT),
                "reserved": {
                    **report["reserved"],
                    "cost_usd": report["reserved"]["micro_usd"] / MICRO,
                },
                "budgets": [_state(row) for row in report["budgets"]],
            }
        )


def _days(zone: ZoneInfo, now: datetime) -> list[date]:
    today = now.astimezone(zone).date()
    first = today.replace(day=1)
    return [first + timedelta(days=n) for n in range(today.day)]


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _used(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None or not row["runs"]:
        return {}
    cost = row["cost_micro"]
    return {**row, "cost_usd": None if cost is None else cost / MICRO, "name": row["agent_name"]}


def _dearest_first(groups: Rows, kind: int) -> Rows:
    rows = [row for row in groups if row["kind"] == kind]
    rows.sort(key=lambda row: (-(row["cost_micro"] or 0), -row["input_tokens"]))
    return [_used(row) for row in rows]


def _state(row: dict[str, Any]) -> dict[str, Any]:
    scale = MICRO if row["unit"] == "usd" else 1
    amounts = {name: row[name] / scale for name in ("limit", "used", "reserved")}
    left = row["limit"] - row["used"] - row["reserved"]
    return {**row, **amounts, "remaining": max(0, left) / scale}
