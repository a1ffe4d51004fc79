"""What is sent to hand a conversation over, and what a person writes in it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.schemas import Body, Text, example
from app.features.conversations.schemas import HandoffReason

Operator = Annotated[
    str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), Text
]


class HandoffCreate(Body):
    """A person is to be asked for."""

    model_config = example(reason="customer_request", summary="Quer trocar o pedido 1042.")

    reason: HandoffReason = "customer_request"
    summary: (
        Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), Text] | None
    ) = Field(
        default=None, description="For whoever takes over; else the last messages stand for it."
    )


class HandoffTake(Body):
    """Who takes a conversation over."""

    model_config = example(operator="Ana")

    operator: Operator | None = Field(
        default=None, description="A name of your own for whoever answers; else the caller."
    )


class OperatorReply(Body):
    """What a person writes to the visitor."""

    model_config = example(
        content="Olá! Sou a Ana, da equipe. Já vou ver o seu pedido.", author_name="Ana"
    )

    content: Annotated[
        str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True), Text
    ]
    role: Literal["operator"] = "operator"
    author_name: Operator | None = Field(
        default=None, description="Whom the visitor sees as the writer."
    )
