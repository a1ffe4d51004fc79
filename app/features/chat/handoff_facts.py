"""What the database is told of a run that ends by asking for a person."""

from typing import Any

from app.domain_events import EVENTS
from app.domain_events.human_requested import HumanRequested
from app.features.chat.handoff import HandoffAsked
from app.features.chat.records import RunIds


def handing_over_arguments(ids: RunIds, asked: HandoffAsked | None) -> dict[str, Any]:
    """What `run_hand_over_v1` takes beside what a run's end does; nothing without a handoff."""
    if asked is None:
        return {}
    # The database puts in the visitor and the summary.
    data = HumanRequested(
        conversation_id=ids.conversation_id,
        agent_id=ids.agent_id,
        visitor_id=None,
        reason=asked.reason,
        requested_by=asked.requested_by,
        summary=asked.summary,
        summary_source="model" if asked.summary else "last_messages",
    )
    fact = EVENTS["human_requested"].of(data, agent_id=ids.agent_id)
    return {"handoff": asked.row, "handoff_events": [fact]}
