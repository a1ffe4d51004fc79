"""What a conversation's own stream shows of its events: what persons write, and its state."""

from typing import Any

from app.core.schemas import rfc3339
from app.core.sse import pieces, unnamed_frame
from app.features.events.records import StoredEvent

OPERATOR_REPLIED = "operator_replied"
_STATES: dict[str, dict[str, Any]] = {
    "human_requested": {"status": "human_requested", "is_taken": False},
    "handoff_taken": {"status": "human_requested", "is_taken": True},
    "handoff_returned": {"status": "active"},
    "conversation_resolved": {"status": "resolved"},
}
SHOWN_TYPES = frozenset({OPERATOR_REPLIED, *_STATES})


def conversation_frames(event: StoredEvent) -> bytes:
    """The frames of one event; only the last has the number, so that none is resumed in part.

    Whoever was cut off within a reply gets it anew, under the same `message_id`.
    """
    if event.type != OPERATOR_REPLIED:
        return _frame(event, "status", _STATES[event.type], is_last=True)
    data = event.data
    about = {
        "id": data["message_id"],
        "role": "operator",
        "author_name": data["author_name"],
        "created_at": rfc3339(event.timestamp),
    }
    done = {
        "conversation_id": data["conversation_id"],
        "message_id": data["message_id"],
        "complete": True,
        "finish_reason": "operator",
    }
    return b"".join(
        (
            _frame(event, "message", about),
            *(_frame(event, "answer", piece) for piece in pieces(data["content"])),
            _frame(event, "done", done, is_last=True),
        )
    )


def conversation_gap(number: int, conversation_id: str | None) -> bytes:
    """Tells that events are missing before the one after this number: read the messages again."""
    value = {"event": "gap", "data": None, "conversation_id": conversation_id}
    return b"event: gap\n" + unnamed_frame(value, event_id=number)


def _frame(event: StoredEvent, name: str, data: object, *, is_last: bool = False) -> bytes:
    value = {
        "event": name,
        "data": data,
        "conversation_id": event.data["conversation_id"],
        "message_id": event.data.get("message_id"),
        "run_id": None,
    }
    number = event.number if is_last else None
    return f"event: {name}\n".encode() + unnamed_frame(value, event_id=number)
