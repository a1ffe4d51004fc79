"""Facts that organizations name themselves, under names that ours never take."""

import re
from typing import Any

from app.domain_events import EVENTS
from app.domain_events.event import EventData, EventKind

NAME_PATTERN = r"^[a-z][a-z0-9_]{2,61}$"
# Names that will be ours, or mean something in a stream; those of the registry are ours, too.
RESERVED = frozenset(
    {
        "all", "custom", "error", "feedback_received", "form_submitted", "gap", "human_requested",
        "lead_captured", "message", "ping", "system_update", "test",
    }
)  # fmt: skip
# Whatever begins so may become ours one day.
RESERVED_BEGINNINGS = ("agentes_", "system_", "webhook_")
ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class CustomEvent(EventData):
    """What a tool told, and in what."""

    payload: Any
    agent_id: str
    tool_id: str
    tool_name: str
    run_id: str | None
    conversation_id: str | None
    message_id: str | None
    visitor_id: str | None
    is_test: bool


EXAMPLE = CustomEvent(
    payload={"pedido": "A-1042", "valor": 149.9},
    agent_id=ID,
    tool_id=ID,
    tool_name="avisar_pedido",
    run_id=ID,
    conversation_id=ID,
    message_id=ID,
    visitor_id="visitor-1",
    is_test=False,
)


def is_free(name: str) -> bool:
    """Whether an organization may give an event this name."""
    is_taken = name in EVENTS or name in RESERVED or name.startswith(RESERVED_BEGINNINGS)
    return re.fullmatch(NAME_PATTERN[1:-1], name) is not None and not is_taken


def custom_kind(name: str) -> EventKind:
    """The kind of an organization's own event."""
    return EventKind(name, "An event of your own.", EXAMPLE)
