"""What the stream of an answer holds, as far as the demo shows it."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue


class Received(BaseModel):
    """What the API sent; members that the demo does not show may come and go."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ProblemReceived(Received):
    """An RFC 9457 problem."""

    title: str = "Problem"
    detail: str | None = None
    code: str = ""
    errors: list[dict[str, str]] = []

    def __str__(self) -> str:
        code = f" ({self.code})" if self.code else ""
        fields = [f"  {item.get('pointer', '')} {item.get('detail', '')}" for item in self.errors]
        return "\n".join([f"{self.title}{code}: {self.detail or 'no detail'}", *fields])


class Progress(Received):
    """Where the turn stands."""

    status: str
    progress: int = 0
    tool: str | None = None
    detail: str | None = None


class Source(Received):
    """A passage that the answer cites as `[index]`."""

    index: int
    source: str
    score: float
    content_excerpt: str
    page: int | None = None


class Usage(Received):
    """Tokens of a turn."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class Metadata(Received):
    """How the answer was made."""

    model: str
    provider: str | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    time_to_first_token_ms: float | None = None
    processing_time: float | None = None
    finish_reason: str | None = None


class Done(Received):
    """The last event of an answer that succeeded."""

    conversation_id: str
    message_id: str
    complete: Literal[True]
    finish_reason: str | None = None


class Envelope(Received):
    """The JSON of every `data:` line."""

    event: str
    data: JsonValue


@dataclass(frozen=True)
class StreamEvent:
    """One event as it arrived."""

    number: str
    name: str
    data: JsonValue
    elapsed_s: float
