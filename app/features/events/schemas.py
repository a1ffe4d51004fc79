"""Events as clients see them."""

from pydantic import ConfigDict, Field

from app.core.schemas import Json, Resource, Timestamp, example

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class Event(Resource):
    """Something that happened."""

    model_config = ConfigDict(
        **example(
            number=42,
            id=ID,
            type="conversation_started",
            agent_id=ID,
            data={"conversation_id": ID, "agent_id": ID, "visitor_id": "visitor-1"},
            timestamp="2026-11-23T20:15:00.123Z",
        )
    )

    number: int = Field(
        description="Counts your organization's events without a hole; the `id:` of the stream."
    )
    id: str = Field(description="The same in every stream, list and webhook.")
    type: str
    agent_id: str | None = Field(description="Whom it is about; null for what is about no agent.")
    data: Json
    timestamp: Timestamp


class StreamTicket(Resource):
    """Opens one stream, once."""

    model_config = ConfigDict(
        **example(ticket="tk_R7m0…", expires_at="2026-11-23T20:16:00.123Z", last_event_id=41)
    )

    ticket: str = Field(description="For `GET /api/v2/events/dashboard?ticket=…`.")
    expires_at: Timestamp
    last_event_id: int = Field(
        description="The newest event's number. Read what you show first, then open the stream"
        " with this as `last_event_id`: nothing in between is missed."
    )
