"""Conversions as clients send and receive them."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from app.core.schemas import Body, Id, Moment, Resource, Text, Timestamp, example
from app.features.analytics.currencies import CURRENCIES
from app.ports.llm import MICRO, micro

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"
Kind = Literal["lead", "form", "custom", "refund"]
# Those are told by facts of their own; recorded from outside they would count twice.
RESERVED_TYPES = frozenset({"lead", "form", "refund"})


def _whole(value: float) -> float:
    if abs(value * MICRO - round(value * MICRO)) > 0.001:
        raise ValueError("has more than six decimals")
    return value


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("is no currency of ISO 4217, such as BRL")
    return code


def _free(name: str) -> str:
    if name in RESERVED_TYPES:
        raise ValueError(
            "is reserved: leads, sent forms and refunds are recorded by their own routes"
        )
    return name


Value = Annotated[
    float,
    Field(gt=0, le=1_000_000_000, description="In units of the currency, such as 149.9."),
    AfterValidator(_whole),
]
TypeName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,61}$"),
    Field(description="What it is to you, such as `purchase`, `signup` or `booking`."),
]
CurrencyCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217, such as `BRL`.")
]
Currency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    AfterValidator(_known_currency),
    Field(description="ISO 4217, such as `BRL`."),
    WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES)}),
]
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Text,
    Field(
        description="Your own id of it, such as an order's; the same again records nothing twice."
    ),
]


def micros(value: float | None) -> int | None:
    """An amount in millionths of its currency."""
    return None if value is None else micro(Decimal(str(value)))


class ConversionCreate(Body):
    """Something that a conversation has brought."""

    model_config = example(
        conversation_id=ID,
        type="purchase",
        value=149.9,
        currency="BRL",
        external_id="pedido-1042",
        occurred_at="2026-11-23T20:41:07.512Z",
    )

    conversation_id: Id
    type: Annotated[TypeName, AfterValidator(_free)]
    value: Value | None = None
    currency: Currency | None = None
    external_id: ExternalId | None = None
    occurred_at: Moment | None = Field(
        default=None, description="By default now; it may be told of much later."
    )
    is_refundable: bool = Field(default=True, description="Whether it may be taken back.")

    @model_validator(mode="after")
    def _value_has_a_currency(self) -> "ConversionCreate":
        if (self.value is None) != (self.currency is None):
            raise ValueError("value and currency belong together: send both, or neither")
        return self


class RefundCreate(Body):
    """What is taken back of a conversion."""

    model_config = example(value=49.9, external_id="estorno-77")

    value: Value | None = Field(
        default=None, description="In the conversion's currency; by default all that is left."
    )
    external_id: ExternalId | None = None
    occurred_at: Moment | None = Field(default=None, description="By default now.")


class Passage(Resource):
    """A passage that answers had cited before the conversion."""

    chunk_id: Id
    document_id: Id | None
    knowledge_base_id: Id | None
    name: str = Field(description="The document's name.")
    citations: int = Field(description="In how many answers of the conversation.")


EXAMPLE: dict[str, Any] = {
    "id": "01938f6a-1c22-7d10-8f0a-2b3c4d5e6f70",
    "kind": "custom",
    "type": "purchase",
    "value": 149.9,
    "currency": "BRL",
    "external_id": "pedido-1042",
    "refunded_id": None,
    "is_refundable": True,
    "subject_id": None,
    "conversation_id": ID,
    "agent_id": ID,
    "agent_version": 3,
    "model_id": "gpt-4o-mini",
    "tools": ["consultar_estoque"],
    "passages": [
        {
            "chunk_id": ID,
            "document_id": ID,
            "knowledge_base_id": ID,
            "name": "politicas.md",
            "citations": 2,
        }
    ],
    "seconds_to_convert": 660,
    "occurred_at": "2026-11-23T20:41:07.512Z",
    "created_at": "2026-11-23T20:41:08.001Z",
}


class Conversion(Resource):
    """An entry of the ledger, with what had a part in it at that moment."""

    model_config = example(**EXAMPLE)

    id: Id
    kind: Kind = Field(
        description="`custom` was recorded from outside, `refund` takes one back; a complete `lead`"
        " and a sent `form` are conversions by themselves."
    )
    type: str
    value: float | None = Field(
        description="In units of the currency, exact to a millionth; negative in a refund."
    )
    currency: str | None
    external_id: str | None
    refunded_id: Id | None = Field(description="Which conversion a refund takes back.")
    is_refundable: bool
    subject_id: Id | None = Field(description="The lead, or the form's submission.")
    conversation_id: Id
    agent_id: Id = Field(description="Who answered last before it.")
    agent_version: int | None
    model_id: str | None
    tools: list[str] = Field(description="Tools whose calls had succeeded before it.")
    passages: list[Passage] = Field(description="What answers had cited before it.")
    seconds_to_convert: int = Field(description="Since the conversation began.")
    occurred_at: Timestamp
    created_at: Timestamp = Field(description="When it was recorded.")
