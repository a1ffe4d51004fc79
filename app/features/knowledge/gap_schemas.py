"""Gaps as clients send and receive them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.core.schemas import Body, Id, Resource, Text, Timestamp, example

GapStatus = Literal["open", "answered", "dismissed"]
_ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class Gap(Resource):
    """A question that found nothing, with those like it."""

    model_config = example(
        id="01938f60-2b11-7c33-a144-5e6f7a8b9c0d",
        agent_id="01938f60-0a00-7b22-9133-4d5e6f7a8b9c",
        knowledge_base_id=_ID,
        question="Vocês embrulham para presente?",
        examples=["Vocês embrulham para presente?", "Embrulha pra presente"],
        count=7,
        status="open",
        document_id=None,
        last_asked_at="2026-11-23T20:15:00.123Z",
        created_at="2026-11-20T09:00:00.000Z",
    )

    id: Id
    agent_id: Id
    knowledge_base_id: Id = Field(description="Where an answer is missing: the agent's first base.")
    question: str
    examples: list[str] = Field(description="Up to five wordings.")
    count: int
    status: GapStatus
    document_id: Id | None = Field(description="The entry that answers it.")
    last_asked_at: Timestamp
    created_at: Timestamp


class GapUpdate(Body):
    """What becomes of a gap."""

    model_config = example(status="dismissed")

    status: Literal["open", "dismissed"]


class GapEntry(Body):
    """The answer to a gap; the question may be put better."""

    model_config = example(answer="Sim, embrulhamos para presente sem custo.")

    answer: Annotated[str, StringConstraints(min_length=1, max_length=20_000), Text]
    question: Annotated[str, StringConstraints(min_length=1, max_length=1000), Text] | None = None
    knowledge_base_id: Id | None = None
