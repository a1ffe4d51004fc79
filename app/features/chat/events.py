"""The public events of a stream, in the order in which a turn makes them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.features.knowledge.schemas import Hit

# Cut so that a source's frame stays below sse.MAX_FRAME_BYTES even where all is emoji.
NAME_CHARS = 80
EXCERPT_CHARS = 160

ProgressStatus = Literal["started", "searching_knowledge", "generating"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the answer is; `progress` is a percentage."""

    status: ProgressStatus
    progress: int

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the answer may cite as `[index]`."""

    index: int
    hit: Hit

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        excerpt = " ".join(self.hit.content.split())
        data: dict[str, Any] = {
            "index": self.index,
            "score": round(self.hit.score, 4),
            "source": self.hit.name[:NAME_CHARS],
            "document_id": self.hit.document_id,
            "chunk_id": self.hit.id,
            "knowledge_base_id": self.hit.knowledge_base_id,
            "content_excerpt": excerpt[:EXCERPT_CHARS]
            + ("…" if len(excerpt) > EXCERPT_CHARS else ""),
        }
        return data if self.hit.page is None else data | {"page": self.hit.page}


@dataclass(frozen=True, slots=True)
class Answer:
    """The next piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The model has finished; `usage` counts tokens; None is unknown."""

    finish_reason: str
    usage: dict[str, int] | None


TurnEvent = Progress | Source | Answer | Written
