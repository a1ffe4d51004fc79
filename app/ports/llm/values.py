"""What a model is asked and the events in which it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants used, whole.

    `arguments` is JSON as the model wrote it, so it may be invalid. `signature` means something to
    its provider only, which wants it back with the call in the next request.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what the model reads.

    An assistant's turn may hold the calls that it made; a turn of role `tool` is the result of the
    call `tool_call_id`, and follows it before any other turn does.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What the knowledge base has on the question; the answer cites it as `[index]`."""

    index: int
    name: str
    heading: str
    content: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One answer to be written.

    `messages` hold everything a model needs as text, passages included. `passages` repeat those as
    data for a provider that works on them, and `question` is the user's last message. Tools that
    it `may_call` no more are told all the same, as some models refuse to read calls without them.
    """

    model: str
    messages: tuple[Message, ...]
    question: str
    language: str = "pt-BR"
    passages: tuple[Passage, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    may_call: bool = True
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None


TakeText = Callable[[str], None]
Flow = Callable[[TakeText], None]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer; what arrived together comes as one.

    Whoever reads the events may give its `flow` a function that is called with each further text
    as it comes, while the next event is waited for; that text is no event then. It spares a text
    the way through a dozen generators. Whoever stands between and wants to hear of all texts
    hands on a flow of its own, or none.
    """

    text: str
    flow: Flow | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counts them; the last report holds, and none means unknown.

    `cached_tokens` are those of the input that the provider had in its cache.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole, and this is its last event. A stream without it did not finish.

    After `tool_calls` the model waits for the results of the calls that came before. After
    `length`, `content_filter` and `unknown` there are no calls, as they might be cut off.
    """

    reason: FinishReason


ChatEvent = TextDelta | ToolCall | Usage | Finished
