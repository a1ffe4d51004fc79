"""Knowledge bases as clients send and receive them."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from app.core.schemas import Body, Id, Name, Resource, Text, Timestamp, example
from app.features.knowledge import examples

Description = Annotated[str, StringConstraints(max_length=1000), Text]
Language = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$"), Field(examples=["pt-BR"])
]
IN_ANOTHER_LANGUAGE = "What it is written in, where that is not the language of its base."
EmbeddingModel = Annotated[
    str,
    StringConstraints(pattern=r"^(none|[a-z]+/\S+)$", max_length=200),
    Field(
        description="`provider/model`; null is the service's own choice, `none` is lexical search.",
        examples=["openai/text-embedding-3-small"],
    ),
]


class Chunking(Body):
    """How documents are cut, in tokens."""

    size: Annotated[int, Field(ge=50, le=2000)] = 300
    overlap: Annotated[int, Field(ge=0, le=500)] = 0

    @model_validator(mode="after")
    def _fits(self) -> "Chunking":
        if self.overlap >= self.size:
            raise ValueError("overlap must be smaller than size")
        return self


class BaseCreate(Body):
    """A new knowledge base."""

    model_config = example(name="Políticas", language="pt-BR")

    name: Name
    description: Description = ""
    language: Language = Field(default="pt-BR", description="What its documents are written in.")
    chunking: Chunking = Chunking()
    embedding_model: EmbeddingModel | None = None


class BaseUpdate(Body):
    """The fields to be changed; chunking holds for what is indexed from now on."""

    model_config = example(name="Políticas 2027", chunking={"size": 400, "overlap": 40})

    name: Name = ""
    description: Description = ""
    chunking: Chunking = Chunking()
    embedding_model: EmbeddingModel | None = None


class KnowledgeBase(Resource):
    """A collection of documents."""

    model_config = example(**examples.BASE)

    id: Id
    name: str
    description: str
    language: str
    chunking: Chunking
    embedding_model: str | None
    served_embedding_model: str | None = Field(
        description="The model whose vectors searches use now; null while there are none."
    )
    embedding_progress: int = Field(
        description="Percent of the chunks that have vectors of the model that is wanted."
    )
    embedding_error: str | None = Field(
        description="Why embedding waits at the moment; it is tried again by itself."
    )
    created_at: Timestamp
    updated_at: Timestamp


class Reindexing(Resource):
    """What was queued."""

    model_config = example(documents=12)

    documents: Annotated[int, Field(description="How many documents are indexed anew.")]
