"""Documents and search as clients send and receive them."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from app.core.schemas import Body, Id, Json, Resource, Text, Timestamp, example
from app.features.knowledge import examples
from app.features.knowledge.incoming import Source

Status = Literal["queued", "processing", "ready", "failed"]
Mode = Literal["hybrid", "semantic", "lexical"]


class DocumentError(Resource):
    """Why a document could not be indexed."""

    code: str
    detail: str


class Document(Resource):
    """A document and how far its indexing is."""

    model_config = example(**examples.DOCUMENT)

    id: Id
    knowledge_base_id: Id
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    metadata: Json
    language: str | None = Field(description="Null: that of its base.")
    source_url: str | None = Field(description="The address that it was read from.")
    fetched_at: Timestamp | None = Field(description="When that was read last.")
    question: str | None = Field(description="The question that it answers.")
    status: Status
    progress: Annotated[int, Field(description="Percent.")]
    chunk_count: int
    error: DocumentError | None
    created_at: Timestamp
    updated_at: Timestamp


class SourcedDocument(Document):
    """A document with what its address said of it last; that is nobody else's business."""

    source_etag: str | None
    source_modified: str | None

    @property
    def source(self) -> Source:
        """Where it is from, to be asked whether it has changed."""
        return Source(self.source_url, self.source_etag, self.source_modified)


class UploadedDocument(Document):
    """A document of an upload."""

    duplicate: bool = Field(
        default=False,
        description="The same bytes are in the base already; this is that document, as it is: the"
        " name and the metadata of this upload are not taken.",
    )


class Uploaded(Resource):
    """The documents of one upload, in its order."""

    data: list[UploadedDocument]


class Chunk(Resource):
    """A piece of a document as search returns it."""

    model_config = example(**examples.CHUNK)

    id: Id
    document_id: Id
    ordinal: int
    content: str
    heading: str = Field(
        description="The path of the section in which it opens; titles of sections that begin"
        " further down follow, each after ` · `."
    )
    page: int | None
    char_start: int
    char_end: int
    token_count: int


class SearchRequest(Body):
    """A question to one or more knowledge bases."""

    model_config = example(
        query="Qual é o prazo de entrega para o Nordeste?",
        knowledge_base_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        top_k=5,
    )

    query: Annotated[str, StringConstraints(min_length=1, max_length=2000), Text]
    knowledge_base_id: Id | None = None
    knowledge_base_ids: Annotated[list[Id], Field(min_length=1, max_length=20)] | None = None
    top_k: Annotated[int, Field(ge=1, le=50)] = 5
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    mode: Mode = "hybrid"
    filters: Json = Field(default={}, description="Equality on the documents' metadata.")

    @model_validator(mode="after")
    def _one_way(self) -> "SearchRequest":
        if (self.knowledge_base_id is None) == (self.knowledge_base_ids is None):
            raise ValueError("send either knowledge_base_id or knowledge_base_ids")
        return self

    @property
    def base_ids(self) -> list[str]:
        """The bases to search, however they were named."""
        return self.knowledge_base_ids or [self.knowledge_base_id or ""]


class Scores(Resource):
    """What a score is made of; null where that kind of search had no part."""

    lexical: float | None
    semantic: float | None = None
    rerank: float | None = Field(
        default=None, description="What the reranker says, by whose order the hits come."
    )


class Passage(Resource):
    """A chunk that was found, and its place in its document."""

    id: Id
    document_id: Id
    knowledge_base_id: Id
    name: str
    content: str
    heading: str
    page: int | None
    ordinal: int
    char_start: int
    char_end: int
    score: float
    scores: Scores
    metadata: dict[str, Any]


class Hit(Resource):
    """A passage that was found; neighbours in a document that were found too are joined with it."""

    model_config = example(**examples.HIT)

    id: Id
    document_id: Id
    knowledge_base_id: Id
    name: str
    content: str
    heading: str
    page: int | None
    score: float
    scores: Scores
    metadata: dict[str, Any]
    highlights: list[str]
    chunk_ids: list[Id] = Field(description="The chunks that make up `content`, in their order.")


class SearchResult(Resource):
    """What was found, best first."""

    model_config = example(**examples.FOUND)

    data: list[Hit]
    query: str
    mode_used: Mode
    reranked: bool = Field(
        default=False, description="The order is the reranker's (`RERANK_MODEL_ID`)."
    )
    degraded: bool = Field(
        default=False,
        description="An embedding model or the reranker did not answer, and was done without.",
    )
    total_results: int
    took_ms: int
