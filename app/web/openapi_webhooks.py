"""What webhooks receive, for the OpenAPI document: one entry for each type of event."""

from typing import Any

from app.domain_events import EVENTS
from app.domain_events.event import EventKind

MOMENT = "2026-11-23T20:15:00.123Z"
REFERENCE = "#/components/schemas/{model}"


def webhooks(components: dict[str, Any]) -> dict[str, Any]:
    """The document's `webhooks`; what their bodies refer to is added to its components."""
    return {
        kind.name: {"post": _received(kind, components)}
        for kind in EVENTS.values()
        if kind.is_for_webhooks
    }


def _received(kind: EventKind, components: dict[str, Any]) -> dict[str, Any]:
    data = type(kind.example).model_json_schema(ref_template=REFERENCE, mode="serialization")
    components.update(data.pop("$defs", {}))
    return {
        "tags": ["webhooks"],
        "summary": kind.name,
        "description": kind.description,
        "operationId": f"on_{kind.name}",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _body(kind, data), "example": _told(kind)}},
        },
        "responses": {
            "2XX": {"description": "Received."},
            "410": {"description": "No more of these: the webhook is switched off."},
        },
    }


def _body(kind: EventKind, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": kind.name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
    }


def _told(kind: EventKind) -> dict[str, Any]:
    data = kind.example.model_dump(mode="json")
    return {"type": kind.name, "timestamp": MOMENT, "data": data}
