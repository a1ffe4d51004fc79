"""Anthropic's Claude models, by its own Messages API."""

import re
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from typing import Any, ClassVar

import orjson

from app.adapters.llm.answer import Answer, Take
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.message_events import MessageEvents
from app.adapters.llm.posting import Poster
from app.adapters.llm.vendor import Vendor
from app.ports.llm import (
    ChatRequest,
    ContextTooLong,
    DialectName,
    Message,
    ProviderOutOfCredit,
    ToolCall,
    ToolSpec,
)

# The API wants a limit always.
DEFAULT_MAX_TOKENS = 4096
# What the beginning of a history that was cut off stands for: the first turn must be a user's.
CUT_OFF = "…"
# The last version with `temperature`, which newer models refuse in any version.
SAMPLING_VERSION = {"anthropic-version": "2023-06-01"}
_TAKES_SAMPLING = re.compile(
    r"claude-(instant|[23][.-]|(opus|sonnet|haiku)-4(-[0-6])?(-\d{8}|-latest)?$).*"
)
_NOT_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_FAULTS = Faults(
    provider="anthropic",
    signs={
        "prompt is too long": ContextTooLong,
        "exceed context limit": ContextTooLong,
        "request_too_large": ContextTooLong,
        "credit balance is too low": ProviderOutOfCredit,
    },
)


class Messages:
    """The dialect of the Messages API."""

    name: ClassVar[DialectName] = "messages"
    sdk: ClassVar[str] = "anthropic"
    bare: ClassVar[tuple[str, ...]] = ()  # its clients use its types as they are loaded
    faults = _FAULTS

    def client(self, sdk: Any, **options: Any) -> Any:
        """The SDK's client. Its spans would cost as much as our parsing."""
        return sdk.AsyncAnthropic(open_telemetry=False, **options)

    def call(self, poster: Poster, request: ChatRequest) -> AbstractAsyncContextManager[Any]:
        sampling = _sampling(request)
        headers = SAMPLING_VERSION if sampling else {}
        return poster.posted("/v1/messages", self.parameters(request) | sampling, **headers)

    def begin(self, answer: Answer) -> Take:
        return MessageEvents(answer, _FAULTS).read

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """The body of the request, but for how the answer is chosen."""
        system = "\n\n".join(m.content for m in request.messages if m.role == "system")
        tools = [_tool(spec) for spec in request.tools]
        return {
            "model": request.model,
            "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,
            "messages": _turns(request.messages),
            "stream": True,
            **({"system": system} if system else {}),
            **({"tools": tools} if tools else {}),
            **({} if request.may_call or not tools else {"tool_choice": {"type": "none"}}),
        }


def _sampling(request: ChatRequest) -> dict[str, Any]:
    """`temperature` or else `top_p`, as both together are refused."""
    if not _TAKES_SAMPLING.fullmatch(request.model):
        return {}
    if request.temperature is not None:
        return {"temperature": min(request.temperature, 1.0)}
    return {} if request.top_p is None else {"top_p": request.top_p}


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """User and assistant by turns: what follows from one side goes into one turn."""
    said = [message for message in messages if message.role != "system"]
    turns: list[dict[str, Any]] = []
    for role, group in groupby(said, _side):
        content = [block for message in group for block in _blocks(message)]
        if content:
            turns.append({"role": role, "content": content})
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": CUT_OFF})
    return turns


def _side(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        call_id = _call_id(message.tool_call_id or "")
        return [{"type": "tool_result", "tool_use_id": call_id, "content": message.content}]
    text = [{"type": "text", "text": message.content}] if message.content.strip() else []
    if not message.tool_calls:
        return text
    first, *others = [(_before(call), _tool_use(call)) for call in message.tool_calls]
    came = [*first[0], *(block for before, _ in others for block in before)]
    if any(block["type"] == "text" for block in came):
        text = []  # it is where it was
    return [*first[0], *text, first[1], *(b for before, use in others for b in (*before, use))]


def _before(call: ToolCall) -> list[dict[str, Any]]:
    """What the model thought and said before the call; without its thoughts it is refused."""
    blocks: list[dict[str, Any]] = _parsed(call.signature, list)
    # An empty text is refused.
    return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def _tool_use(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": _call_id(call.id),
        "name": call.name,
        "input": _parsed(call.arguments, dict),
    }


def _parsed(text: str | None, kind: type[Any]) -> Any:
    """The JSON, or an empty one where the model or another provider wrote something else."""
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return kind()
    return value if isinstance(value, kind) else kind()


def _call_id(call_id: str) -> str:
    return _NOT_IN_ID.sub("_", call_id)


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "input_schema": dict(spec.parameters),
    }


PROVIDER = adapter(
    Vendor(
        name="anthropic",
        dialect=Messages(),
        base_url="https://api.anthropic.com",
        own_names=re.compile(r"claude-[a-z0-9.\-]+"),
    )
)
