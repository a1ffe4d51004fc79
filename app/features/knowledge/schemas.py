"""Knowledge bases, documents and search as clients send and receive them."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from app.core.schemas import Body, Id, Json, Name, Resource, Text, Timestamp, example
from app.features.knowledge import examples

Description = Annotated[str, StringConstraints(max_length=1000), Text]
Language = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$"), Field(examples=["pt-BR"])
]
Status = Literal["queued", "processing", "ready", "failed"]
Mode = Literal["hybrid", "semantic", "lexical"]


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


class BaseUpdate(Body):
    """The fields to be changed; chunking holds for what is indexed from now on."""

    model_config = example(name="Políticas 2027", chunking={"size": 400, "overlap": 40})

    name: Name = ""
    description: Description = ""
    chunking: Chunking = Chunking()


class KnowledgeBase(Resource):
    """A collection of documents."""

    model_config = example(**examples.BASE)

    id: Id
    name: str
    description: str
    language: str
    chunking: Chunking
    created_at: Timestamp
    updated_at: Timestamp


class DocumentText(Body):
    """A document given as text, Markdown or plain."""

    model_config = example(
        knowledge_base_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        name="horario.md",
        text="# Horário\n\nA loja abre de segunda a sexta, das 9h às 18h.",
        metadata={"team": "loja"},
    )

    knowledge_base_id: Id
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), Text
    ]
    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000), Text]
    metadata: Json = {}


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
    status: Status
    progress: Annotated[int, Field(description="Percent.")]
    chunk_count: int
    error: DocumentError | None
    created_at: Timestamp
    updated_at: Timestamp


class UploadedDocument(Document):
    """A document of an upload."""

    duplicate: bool = Field(
        default=False, description="The same bytes are in the base already; this is that document."
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
    heading: str
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


class Hit(Resource):
    """A passage that was found."""

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


class SearchResult(Resource):
    """What was found, best first."""

    model_config = example(**examples.FOUND)

    data: list[Hit]
    query: str
    mode_used: Mode
    total_results: int
    took_ms: int
