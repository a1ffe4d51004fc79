"""What an agent keeps to: how it looks things up, what it may use, when it hands over."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.schemas import Body, Text

Probability = Annotated[float, Field(ge=0, le=1)]


class Retrieval(Body):
    """How passages are looked up before an answer is written."""

    top_k: Annotated[int, Field(ge=1, le=20, description="How many passages at most.")] = 5
    threshold: Annotated[
        Probability, Field(description="Passages with a lower score are left out.")
    ] = 0.2
    mode: Literal["hybrid", "semantic", "lexical"] = "hybrid"


class Guardrails(Body):
    """Limits of one run."""

    max_run_seconds: Annotated[int, Field(ge=1, le=300)] = 120
    max_tool_steps: Annotated[
        int,
        Field(
            ge=1, le=9, description="How often the model may call tools before it has to answer."
        ),
    ] = 9
    max_cost_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = Field(
        default=None,
        description="What one answer may cost, tools included. The model is not asked once more"
        " where that would be over it; the last answer may be over by its own length.",
    )


Keyword = Annotated[
    str, StringConstraints(min_length=2, max_length=60, strip_whitespace=True), Text
]


class HandoffRules(Body):
    """When the agent hands a conversation over to a person, and is silent from then on."""

    by_visitor: bool = Field(
        default=True, description="Whether a widget's visitor may ask for a person."
    )
    by_model: bool = Field(
        default=False,
        description="Whether the model may decide it, by a function `request_human` of its own.",
    )
    keywords: Annotated[list[Keyword], Field(max_length=20)] = Field(
        default=[],
        description="Words of the visitor that ask for one, whatever their case and accents.",
        examples=[["falar com atendente", "humano"]],
    )
    after_unanswered: Annotated[int, Field(ge=1, le=10)] | None = Field(
        default=None,
        description="After so many questions in a row on which the knowledge base had nothing.",
    )
    on_tool_failure: bool = Field(
        default=False, description="Where a tool has failed and no further call mended it."
    )
    on_usage_limit: bool = Field(
        default=False,
        description="Where a budget does not allow to ask the model: the visitor is told that a"
        " person goes on, and nobody gets 402 `budget_exceeded`.",
    )
