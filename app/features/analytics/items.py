"""Which rows stand behind each number of the dashboard, and the addresses that list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from app.core.schemas import rfc3339
from app.features.analytics.periods import Range, quarter_of

Measure = Literal[
    "conversations", "active", "open", "resolved", "handed_off", "abandoned", "converted", "paid",
    "bounced", "messages", "questions", "answers", "failures", "likes", "dislikes",
    "unique_visitors", "returning_visitors",
]  # fmt: skip
ITEMS = "/api/v2/analytics/items"
_OF_OTHERS = {
    "messages": "said",
    "questions": "said",
    "answers": "ran",
    "failures": "ran",
    "likes": "rated",
    "dislikes": "rated",
    "unique_visitors": "came",
    "returning_visitors": "came",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A range of time, of one agent or of all."""

    range: Range
    agent_id: str | None

    def row(self, **fields: Any) -> dict[str, Any]:
        """As the database takes it."""
        return {
            "agent_id": self.agent_id,
            "from": quarter_of(self.range.start),
            "to": quarter_of(self.range.stop),
        } | fields

    def address(self, path: str, **fields: str) -> str:
        """A list's address with these filters and the range."""
        ends = {"from": rfc3339(self.range.start), "to": rfc3339(self.range.stop)}
        agent = {"agent_id": self.agent_id} if self.agent_id else {}
        return f"{path}?{urlencode({**fields, **agent, **ends})}"


def part_and_column(measure: Measure) -> tuple[str, str]:
    """In which part of the shares the measure is, and under which name."""
    part = _OF_OTHERS.get(measure, "begun")
    return part, "questions" if part == "came" else measure


def links(asked: Asked) -> Mapping[str, str]:
    """For each tile, the list that has as many items as the tile says."""
    conversions = "/api/v2/analytics/conversions"
    agents = "/api/v2/agents"
    measures: dict[str, Measure] = {
        "overview.total_messages": "messages",
        "overview.unique_visitors": "unique_visitors",
        "outcomes.open": "open",
        "outcomes.resolved": "resolved",
        "outcomes.handed_off": "handed_off",
        "outcomes.abandoned": "abandoned",
        "outcomes.converted": "converted",
        "conversions.converted": "converted",
        "conversions.paid": "paid",
        "engagement.returning_visitors": "returning_visitors",
        "engagement.bounced": "bounced",
        "performance.answers": "answers",
        "performance.failures": "failures",
        "overview.likes": "likes",
        "overview.dislikes": "dislikes",
    }
    return {
        "overview.total_agents": f"{agents}?agent_id={asked.agent_id}"
        if asked.agent_id
        else agents,
        "overview.total_conversations": asked.address("/api/v2/conversations"),
        "overview.active_conversations": asked.address("/api/v2/conversations", status="active"),
        "conversions.leads": asked.address(conversions, kind="lead"),
        "conversions.forms": asked.address(conversions, kind="form"),
        "conversions.custom": asked.address(conversions, kind="custom"),
        "conversions.refunds": asked.address(conversions, kind="refund"),
        "unanswered.total": asked.address("/api/v2/knowledge/gaps", status="open"),
    } | {tile: asked.address(ITEMS, measure=measure) for tile, measure in measures.items()}
