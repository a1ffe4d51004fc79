"""From sums to the numbers of the dashboard."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.features.analytics.statistics import Histogram, percentile, ratio, units
from app.features.knowledge.wording import impersonal

Sums = Mapping[str, Any]
FIRST_TOKEN, WHOLE_ANSWER, TO_CONVERT = 1, 2, 3
OUTCOMES = ("converted", "handed_off", "resolved", "abandoned", "open")
TOP = 10


def compared(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that are there of the period before, too."""
    sums, visitors = figures["totals"], figures["visitors"]
    return {
        "overview": _overview(sums, visitors, figures["agents_count"]),
        "outcomes": {name: sums[name] for name in OUTCOMES}
        | {"handoff_reasons": figures["handoffs"]},
        "conversions": _conversions(figures),
        "engagement": _engagement(sums, visitors),
        "performance": _performance(figures),
        "usage": _whole_usage(sums),
    }


def detailed(figures: Mapping[str, Any], bounds: Sequence[datetime]) -> dict[str, Any]:
    """All sections."""
    sections = compared(figures)
    agents: list[dict[str, Any]] = figures["agents"]
    sections["usage"] |= {
        "by_model": [usage(row) | {"model": row["facet"]} for row in figures["models"]],
        "by_agent": [usage(row) | _named(row) for row in agents if row["answers"]],
    }
    return sections | {
        "time_series": [
            _bucket(row, start, stop)
            for row, start, stop in zip(figures["series"], bounds, bounds[1:], strict=False)
        ],
        "top_agents": [_top_agent(row) for row in agents if row["conversations"]][:TOP],
        "top_questions": [
            row | {"question": impersonal(row["question"])} for row in figures["questions"]
        ],
        "unanswered": figures["gaps"],
    }


def usage(sums: Sums) -> dict[str, Any]:
    """What was used; the cost is None where a part of it is unknown."""
    cost = units(sums["cost_micros"])
    return {
        "input_tokens": sums["input_tokens"],
        "output_tokens": sums["output_tokens"],
        "cost_usd": None if sums["unpriced"] else cost,
    }


def _whole_usage(sums: Sums) -> dict[str, Any]:
    return usage(sums) | {
        "cached_tokens": sums["cached_tokens"],
        "known_cost_usd": units(sums["cost_micros"]),
        "unpriced_answers": sums["unpriced"],
    }


def _overview(sums: Sums, visitors: Sums, agents_count: int) -> dict[str, Any]:
    begun = sums["conversations"]
    return {
        "total_agents": agents_count,
        "total_conversations": begun,
        "total_messages": sums["messages"],
        "active_conversations": sums["active"],
        "avg_response_time": ratio(sums["response_ms"], sums["timed"], 1),
        "user_satisfaction": ratio(sums["likes"], sums["likes"] + sums["dislikes"]),
        "likes": sums["likes"],
        "dislikes": sums["dislikes"],
        "resolution_rate": _resolution_rate(sums),
        "handoff_rate": ratio(sums["handed_off"], begun),
        "unique_visitors": visitors["visitors"],
    }


def _resolution_rate(sums: Sums) -> float | None:
    return ratio(sums["resolved"] + sums["converted"], sums["conversations"] - sums["open"])


def _conversions(figures: Mapping[str, Any]) -> dict[str, Any]:
    sums = figures["totals"]
    begun, converted = sums["conversations"], sums["converted"]
    brought = sums["leads"] + sums["forms"] + sums["customs"]
    times = _histogram(figures, TO_CONVERT)
    cost = usage(sums)["cost_usd"]
    types = [_type(row) for row in figures["conversions"]]
    return {
        "leads": sums["leads"],
        "forms": sums["forms"],
        "custom": sums["customs"],
        "refunds": sums["refunds"],
        "converted": converted,
        "paid": sums["paid"],
        "conversion_rate": ratio(converted, begun),
        "funnel": [
            {"step": "conversations", "count": begun},
            {"step": "engaged", "count": begun - sums["bounced"]},
            {"step": "converted", "count": converted},
            {"step": "paid", "count": sums["paid"]},
        ],
        "revenue": _revenue(figures["conversions"], begun),
        "by_type": types,
        "cost_per_conversion_usd": None if cost is None else ratio(cost, brought, 6),
        "time_to_convert_s": {
            "avg": ratio(sums["convert_s"], converted, 1),
            "p50": percentile(times, 0.5),
            "p95": percentile(times, 0.95),
        },
    }


def _type(row: Sums) -> dict[str, Any]:
    name, _, currency = row["facet"].partition(":")
    return {
        "type": name,
        "currency": currency or None,
        "count": row["conversions"],
        "refunds": row["refunds"],
        "gross": units(row["gross"]),
        "refunded": units(row["refunded"]),
    }


def _revenue(rows: Sequence[Sums], begun: int) -> list[dict[str, Any]]:
    gross: dict[str, int] = {}
    refunded: dict[str, int] = {}
    for row in rows:
        currency = row["facet"].partition(":")[2]
        gross[currency] = gross.get(currency, 0) + row["gross"]
        refunded[currency] = refunded.get(currency, 0) + row["refunded"]
    return [
        {
            "currency": currency,
            "gross": units(gross[currency]),
            "refunded": units(refunded[currency]),
            "net": units(gross[currency] - refunded[currency]),
            "per_conversation": ratio(units(gross[currency] - refunded[currency]), begun, 6),
        }
        for currency in sorted(gross)
        if currency
    ]


def _engagement(sums: Sums, visitors: Sums) -> dict[str, Any]:
    begun = sums["conversations"]
    return {
        "messages_per_conversation": ratio(sums["spoken"], begun, 2),
        "avg_duration_s": ratio(sums["duration_s"], begun, 1),
        "returning_visitors": visitors["returning_visitors"],
        "bounced": sums["bounced"],
        "bounce_rate": ratio(sums["bounced"], begun),
    }


def _performance(figures: Mapping[str, Any]) -> dict[str, Any]:
    sums = figures["totals"]
    return {
        "answers": sums["answers"],
        "failures": sums["failures"],
        "error_rate": ratio(sums["failures"], sums["answers"]),
        "time_to_first_token_ms": _percentiles(_histogram(figures, FIRST_TOKEN)),
        "response_time_ms": _percentiles(_histogram(figures, WHOLE_ANSWER)),
        "by_model": [
            {
                "model": row["facet"],
                "answers": row["answers"],
                "failures": row["failures"],
                "error_rate": ratio(row["failures"], row["answers"]),
                "avg_response_ms": ratio(row["response_ms"], row["timed"], 1),
            }
            for row in figures["models"]
        ],
    }


def _histogram(figures: Mapping[str, Any], measure: int) -> Histogram:
    return [(bin_number, count) for of, bin_number, count in figures["latencies"] if of == measure]


def _percentiles(histogram: Histogram) -> dict[str, int | None]:
    return {f"p{share}": percentile(histogram, share / 100) for share in (50, 95, 99)}


def _bucket(row: Sums, start: datetime, stop: datetime) -> dict[str, Any]:
    average = ratio(row["response_ms"], row["timed"], 1)
    return {**row, **usage(row), "from": start, "to": stop, "avg_response_ms": average}


def _named(row: Sums) -> dict[str, Any]:
    return {"agent_id": row["agent_id"], "name": row["name"]}


def _top_agent(row: Sums) -> dict[str, Any]:
    return {
        **row,
        "conversion_rate": ratio(row["converted"], row["conversations"]),
        "resolution_rate": _resolution_rate(row),
    }
