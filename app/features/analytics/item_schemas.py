"""What stands behind the figures, as clients receive it."""

from typing import Any

from pydantic import Field

from app.core.schemas import Id, Resource, Timestamp, example
from app.features.analytics.statistics import units

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class Item(Resource):
    """A row that a number has counted; which fields it has depends on the measure."""

    model_config = example(
        id=ID,
        conversation_id=ID,
        agent_id=ID,
        at="2026-11-23T20:30:00.123Z",
        outcome="handed_off",
        handoff_reason="customer_request",
    )

    id: Id = Field(
        description="The conversation's, message's, run's or rating's; of a visitor, the first"
        " conversation's in the range."
    )
    conversation_id: Id
    agent_id: Id
    at: Timestamp = Field(description="When it began, was said or was given.")
    outcome: str | None = Field(default=None, description="Of a conversation.")
    handoff_reason: str | None = Field(default=None, description="Why a person was asked for.")
    role: str | None = Field(default=None, description="Who wrote a message.")
    message_id: Id | None = Field(default=None, description="Of a rating, what was rated.")
    rating: int | None = Field(default=None, description="1 or -1.")
    status: str | None = Field(default=None, description="How an answer ended.")
    visitor_id: str | None = Field(default=None, description="As you named the visitor.")


class PassageRevenue(Resource):
    """What the conversions brought in one currency."""

    currency: str
    gross: float
    refunded: float
    net: float


class SellingPassage(Resource):
    """A passage that answers had cited before conversions."""

    model_config = example(
        chunk_id=ID,
        document_id=ID,
        knowledge_base_id=ID,
        name="politicas.md",
        content="O prazo de entrega para o Nordeste é de 8 dias úteis.",
        conversions=12,
        conversations=11,
        revenue=[{"currency": "BRL", "gross": 1798.8, "refunded": 149.9, "net": 1648.9}],
    )

    chunk_id: Id
    document_id: Id | None
    knowledge_base_id: Id | None
    name: str = Field(description="The document's name when it was cited.")
    content: str | None = Field(description="Its beginning; null when it is gone by now.")
    conversions: int = Field(description="Conversions of the range that were not taken back.")
    conversations: int = Field(description="In so many conversations.")
    revenue: list[PassageRevenue] = Field(
        description="Of those conversions as a whole: each passage that was cited has all of it."
    )

    @classmethod
    def of(cls, row: dict[str, Any]) -> "SellingPassage":
        """As the database counted it."""
        revenue = [
            {
                "currency": each["currency"],
                "gross": units(each["gross"]),
                "refunded": units(each["refunded"]),
                "net": units(each["gross"] - each["refunded"]),
            }
            for each in row["revenue"]
        ]
        return cls.model_validate(row | {"revenue": revenue})


class SellingPassages(Resource):
    """The passages that sell most."""

    data: list[SellingPassage]
