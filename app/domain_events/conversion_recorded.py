"""A conversation brought something, or something of it was taken back."""

from typing import Literal

from pydantic import Field

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class CitedPassage(EventData):
    """A passage that answers had cited before."""

    chunk_id: str
    document_id: str | None
    knowledge_base_id: str | None
    name: str
    citations: int


class ConversionRecorded(EventData):
    """An entry of the ledger of conversions; a refund has a negative value.

    All that a server-side interface of an advertiser asks for: `conversion_id` to tell repeats,
    `occurred_at`, `value` in units of `currency`, your own `external_id`, `visitor_id`.
    """

    conversion_id: str
    kind: Literal["custom", "refund"] = "custom"
    type: str = ""
    value: float | None = None
    currency: str | None = None
    external_id: str | None = None
    refunded_id: str | None = None
    occurred_at: str = ""
    seconds_to_convert: int = 0
    conversation_id: str = ""
    visitor_id: str | None = None
    agent_id: str = ""
    agent_version: int | None = None
    model_id: str | None = None
    tools: list[str] = Field(default_factory=list[str])
    passages: list[CitedPassage] = Field(default_factory=list[CitedPassage])


EVENT = EventKind(
    "conversion_recorded",
    "A conversion was recorded, or taken back.",
    ConversionRecorded(
        conversion_id=ID,
        type="purchase",
        value=149.9,
        currency="BRL",
        external_id="pedido-1042",
        occurred_at="2026-11-23T20:41:07.512Z",
        seconds_to_convert=660,
        conversation_id=ID,
        visitor_id="visitor-1",
        agent_id=ID,
        agent_version=3,
        model_id="gpt-4o-mini",
        tools=["consultar_estoque"],
        passages=[
            CitedPassage(
                chunk_id=ID,
                document_id=ID,
                knowledge_base_id=ID,
                name="politicas.md",
                citations=2,
            )
        ],
    ),
)
