"""A dashboard as the docs show it."""

from typing import Any

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"
_FROM, _TO = "2026-11-23T03:00:00.000Z", "2026-11-24T03:00:00.000Z"
_RANGE = "from=2026-11-23T03%3A00%3A00.000Z&to=2026-11-24T03%3A00%3A00.000Z"
_LATENCY = {"p50": 742, "p95": 1869, "p99": 2881}
_USAGE: dict[str, Any] = {"input_tokens": 91_200, "output_tokens": 20_480, "cost_usd": 0.0415}
DASHBOARD: dict[str, Any] = {
    "period": {"from": _FROM, "to": _TO, "timezone": "America/Sao_Paulo", "interval": "day"},
    "overview": {
        "total_agents": 2,
        "total_conversations": 40,
        "total_messages": 190,
        "active_conversations": 31,
        "avg_response_time": 1630.4,
        "user_satisfaction": 0.9,
        "likes": 9,
        "dislikes": 1,
        "resolution_rate": 0.875,
        "handoff_rate": 0.05,
        "unique_visitors": 36,
    },
    "outcomes": {
        "converted": 6,
        "handed_off": 2,
        "resolved": 29,
        "abandoned": 3,
        "open": 0,
        "handoff_reasons": [{"reason": "customer_request", "count": 2}],
    },
    "conversions": {
        "leads": 4,
        "forms": 1,
        "custom": 3,
        "refunds": 1,
        "converted": 6,
        "paid": 2,
        "conversion_rate": 0.15,
        "funnel": [
            {"step": "conversations", "count": 40},
            {"step": "engaged", "count": 28},
            {"step": "converted", "count": 6},
            {"step": "paid", "count": 2},
        ],
        "revenue": [
            {
                "currency": "BRL",
                "gross": 449.7,
                "refunded": 149.9,
                "net": 299.8,
                "per_conversation": 7.495,
            }
        ],
        "by_type": [
            {
                "type": "purchase",
                "currency": "BRL",
                "count": 3,
                "refunds": 1,
                "gross": 449.7,
                "refunded": 149.9,
            }
        ],
        "cost_per_conversion_usd": 0.005188,
        "time_to_convert_s": {"avg": 412.5, "p50": 371, "p95": 885},
    },
    "engagement": {
        "messages_per_conversation": 4.75,
        "avg_duration_s": 318.2,
        "returning_visitors": 5,
        "bounced": 12,
        "bounce_rate": 0.3,
    },
    "performance": {
        "answers": 95,
        "failures": 1,
        "error_rate": 0.0105,
        "time_to_first_token_ms": _LATENCY,
        "response_time_ms": {"p50": 1483, "p95": 4074, "p99": 5278},
        "by_model": [
            {
                "model": "gpt-4o-mini",
                "answers": 95,
                "failures": 1,
                "error_rate": 0.0105,
                "avg_response_ms": 1630.4,
            }
        ],
    },
    "usage": _USAGE
    | {
        "cached_tokens": 1024,
        "known_cost_usd": 0.0415,
        "unpriced_answers": 0,
        "by_model": [_USAGE | {"model": "gpt-4o-mini"}],
        "by_agent": [_USAGE | {"agent_id": ID, "name": "Ana"}],
    },
    "time_series": [
        _USAGE
        | {
            "from": _FROM,
            "to": _TO,
            "conversations": 40,
            "messages": 190,
            "answers": 95,
            "failures": 1,
            "leads": 4,
            "forms": 1,
            "custom": 3,
            "converted": 6,
            "avg_response_ms": 1630.4,
        }
    ],
    "top_agents": [
        {
            "agent_id": ID,
            "name": "Ana",
            "conversations": 40,
            "messages": 190,
            "converted": 6,
            "conversion_rate": 0.15,
            "resolution_rate": 0.875,
        }
    ],
    "top_questions": [{"question": "Qual é o prazo de entrega?", "count": 14}],
    "unanswered": {
        "total": 1,
        "questions": [
            {
                "gap_id": ID,
                "question": "Vocês embrulham para presente?",
                "count": 7,
                "last_asked_at": "2026-11-23T20:15:00.123Z",
            }
        ],
    },
    "links": {
        "overview.total_conversations": f"/api/v2/conversations?{_RANGE}",
        "outcomes.handed_off": f"/api/v2/analytics/items?measure=handed_off&{_RANGE}",
    },
    "previous": None,
}
