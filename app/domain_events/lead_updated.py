"""Somebody who is a lead already has come back in another conversation."""

from pydantic import Field

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class LeadUpdated(EventData):
    """A conversation gave the details of a complete lead: what it lacks, and what differs.

    The lead stays as it is: the values in `alternatives`, of which `added` names those that it
    lacks, are kept in its `contacts`, for a person to decide on.
    """

    lead_id: str
    agent_id: str | None = None
    conversation_id: str | None = None
    visitor_id: str | None = None
    added: list[str] = Field(default_factory=list[str])
    alternatives: dict[str, str] = Field(default_factory=dict[str, str])


EVENT = EventKind(
    "lead_updated",
    "A lead came back in another conversation.",
    LeadUpdated(
        lead_id=ID,
        agent_id=ID,
        conversation_id=ID,
        visitor_id="visitor-1",
        added=["interesse"],
        alternatives={"interesse": "anual", "phone": "+5511912345678"},
    ),
)
