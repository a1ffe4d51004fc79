"""The public events of a stream, in the order in which a turn makes them."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.features.chat.handoff import HandoffAsked
from app.features.knowledge.schemas import Hit
from app.features.tools.kinds.kind import WebPage
from app.ports.llm import Flow, ResolvedModel, Usage

# Cut so that a source's frame stays below sse.MAX_FRAME_BYTES even where all is emoji.
NAME_CHARS = 80
EXCERPT_CHARS = 160
URL_CHARS = 1000
# Of each of a call's arguments, result and error in one frame, and of what the message keeps.
SHOWN_BYTES = 1100
KEPT_BYTES = 8192

ProgressStatus = Literal["started", "searching_knowledge", "generating", "calling_tool"]
ToolStatus = Literal["started", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the answer is; `progress` is a percentage."""

    status: ProgressStatus
    progress: int
    tool: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        data: dict[str, Any] = {"status": self.status, "progress": self.progress}
        return data if self.tool is None else data | {"tool": self.tool}


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
class PageSource:
    """A web page that a tool found; the answer may cite it as `[index]`."""

    index: int
    page: WebPage

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, with the fields of a passage where a page has none."""
        excerpt = " ".join(self.page.snippet.split())
        return {
            "index": self.index,
            "score": None,
            "source": self.page.title[:NAME_CHARS],
            "document_id": None,
            "chunk_id": None,
            "knowledge_base_id": None,
            "content_excerpt": excerpt[:EXCERPT_CHARS],
            "url": self.page.url[:URL_CHARS],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNews:
    """What has become of a call: it was started, it succeeded, it failed."""

    id: str
    name: str
    type: str | None
    status: ToolStatus
    arguments: Any
    result: Any = None
    duration_ms: int | None = None
    error: dict[str, str] | None = None
    # A domain event to be announced with the answer; clients of the stream are not shown it.
    fact: dict[str, Any] | None = None
    # Whether asking again may do again what it does; clients are told so of the run.
    has_effects: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The call as it is kept with the message."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        fields.pop("fact", None)
        fields.pop("has_effects")
        if "result" in fields:
            fields["result"] = shortened(self.result, KEPT_BYTES)
        return fields | {"arguments": shortened(self.arguments, KEPT_BYTES)}

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return cut_to_frame(self.record)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked:
    """A call waits until a person has decided on it."""

    call_id: str
    name: str
    type: str
    arguments: dict[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """The call as it is kept with the message meanwhile."""
        return {
            "id": self.call_id,
            "name": self.name,
            "type": self.type,
            "status": "awaiting_approval",
            "arguments": shortened(self.arguments, KEPT_BYTES),
        }

    @property
    def data(self) -> dict[str, Any]:
        """The data of a `progress` event."""
        asked = {"status": "awaiting_approval", "progress": 50, "tool": self.name}
        return asked | {"call_id": self.call_id}


@dataclass(frozen=True, slots=True)
class FormEvent:
    """A form that the visitor is to fill in."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The next piece of text; for its `flow` see `TextDelta`."""

    text: str
    flow: Flow | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """The model is being asked with about so many tokens; clients are not shown this."""

    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class Switched:
    """Another model is asked from now on; clients are told of it in `metadata`."""

    model: ResolvedModel


@dataclass(frozen=True, slots=True)
class Counted:
    """The provider's count of tokens so far; clients are shown the last in `metadata`."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Called:
    """The model has asked for so many characters of calls; clients are not shown this."""

    chars: int


@dataclass(frozen=True, slots=True)
class Written:
    """The answer has been written."""

    finish_reason: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """The turn ends here for now: calls wait for a person, and `state` is all it takes to go on.

    `calls` are rows `{id, tool_id, name, type, arguments}`; `facts` tell of them.
    """

    state: dict[str, Any]
    calls: list[dict[str, Any]]
    facts: list[dict[str, Any]]


ShownEvent = Progress | Source | PageSource | ToolNews | ApprovalAsked | FormEvent | HandoffAsked
TurnEvent = ShownEvent | Answer | Asked | Switched | Counted | Called | Suspended | Written


def cut_to_frame(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a call as the data of a `tool` event, whose frame has a bounded size."""
    cut = {
        name: shortened(record[name], SHOWN_BYTES)
        for name in ("arguments", "result")
        if name in record
    }
    error = record.get("error")
    if error is not None:
        cut["error"] = error | {"detail": shortened(error["detail"], SHOWN_BYTES)}
    return record | cut


def shortened(value: Any, max_bytes: int) -> Any:
    """The JSON value, or the beginning of its text where that would take more bytes as ASCII."""
    whole = json.dumps(value, default=str)
    if len(whole) <= max_bytes:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # Escaped, a character takes 12 bytes at most.
    kept = text[:max_bytes]
    while len(json.dumps(kept)) > max_bytes - len(json.dumps("…")):
        kept = kept[: len(kept) * 9 // 10]
    return f"{kept}…"
