"""An agent wants to use a tool for which a person has to decide."""

from typing import Any

from pydantic import Field

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class ApprovalRequested(EventData):
    """An agent wants to use a tool for which a person has to decide.

    Of the destinations among its arguments, `unsaid_destinations` are those that neither the
    visitor nor the agent's owner has named.
    """

    call_id: str
    tool_id: str
    name: str
    type: str
    arguments: Any
    expires_in_s: int
    unsaid_destinations: list[str] = Field(default_factory=list[str])
    run_id: str
    conversation_id: str
    message_id: str
    agent_id: str


EVENT = EventKind(
    "approval_requested",
    "An agent wants to use a tool for which a person has to decide.",
    ApprovalRequested(
        call_id=ID,
        tool_id=ID,
        name="estornar_pagamento",
        type="http",
        arguments={"order": "1042", "amount": "149.90"},
        expires_in_s=900,
        run_id=ID,
        conversation_id=ID,
        message_id=ID,
        agent_id=ID,
    ),
)
