"""The chat-completions dialect: OpenAI's own and what compatible servers speak."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, ClassVar

import orjson

from app.adapters.llm.answer import Answer, Take, usage_of
from app.adapters.llm.failures import Faults
from app.adapters.llm.posting import Poster
from app.ports.llm import (
    ChatRequest,
    DialectName,
    FinishReason,
    Message,
    ProviderOverloaded,
    ToolCall,
    ToolSpec,
    Usage,
)

# In lower case; some servers pass on what the model's own vendor said.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}
_BROKEN = ("abort", "error", "insufficient_system_resource")


class ChatCompletions:
    """The dialect as most speak it; a vendor with quirks derives from it in a file of its own."""

    name: ClassVar[DialectName] = "chat_completions"
    # The module of its client: the rest, classes for all that may be asked and answered, takes nine
    # times the time and six times the memory.
    sdk: ClassVar[str] = "openai._client"
    bare: ClassVar[tuple[str, ...]] = ("openai", "openai.lib", "openai.types")

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def client(self, sdk: Any, **options: Any) -> Any:
        """The SDK's client, without the accounts that the SDK finds in the environment."""
        # Servers that need no key take any; without one the SDK refuses to call.
        key = options.pop("api_key") or "none"
        client = sdk.AsyncOpenAI(api_key=key, **options)
        client.organization = client.project = None
        return client

    def call(self, poster: Poster, request: ChatRequest) -> AbstractAsyncContextManager[Any]:
        return poster.posted("/chat/completions", self.parameters(request))

    def begin(self, answer: Answer) -> Take:
        return partial(self.read, answer)

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        """The body of the request."""
        tools = [_tool(spec) for spec in request.tools]
        return {
            "model": request.model,
            "messages": [self.message(message) for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"tools": tools} if tools else {}),
            **({} if request.may_call or not tools else {"tool_choice": "none"}),
            **{name: value for name, value in self.sampling(request).items() if value is not None},
        }

    def sampling(self, request: ChatRequest) -> dict[str, Any]:
        """How the answer is chosen and limited; None is not sent."""
        return {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
        }

    def message(self, message: Message) -> dict[str, Any]:
        """One turn as this dialect writes it."""
        if message.role == "tool":
            call_id = self.call_id(message.tool_call_id or "")
            return {"role": "tool", "tool_call_id": call_id, "content": message.content}
        if message.tool_calls:
            calls = [self.sent_call(call) for call in message.tool_calls]
            return {"role": "assistant", "content": message.content or None, "tool_calls": calls}
        return {"role": message.role, "content": message.content}

    def sent_call(self, call: ToolCall) -> dict[str, Any]:
        """A call that the model made earlier."""
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": self.call_id(call.id), "type": "function", "function": function}

    def call_id(self, call_id: str) -> str:
        """The id of a call as this vendor takes it."""
        return call_id

    def read(self, answer: Answer, part: Any) -> None:
        """Take one chunk into the answer."""
        error = part.get("error") or (part if part.get("object") == "error" else None)
        if error:
            raise self.faults.of_error(error)
        usage = part.get("usage")
        if usage:
            answer.count(self.usage(usage))
        choices = part.get("choices")
        if choices:
            self._read_choice(answer, choices[0])

    def text(self, content: Any) -> str:
        """The text of a content that is not simply text."""
        return ""

    def signature(self, call: dict[str, Any]) -> str | None:
        """What the vendor wants back with the call."""
        return None

    def usage(self, usage: dict[str, Any]) -> Usage | None:
        """What a report says was used."""
        details = usage.get("prompt_tokens_details") or {}
        return usage_of(
            usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens")
        )

    def reason(self, said: str) -> FinishReason:
        """Why the model stopped, of what was said in lower case.

        Raises:
            ProviderFailed: it did not stop, but broke off.
        """
        if said in _BROKEN:
            raise ProviderOverloaded("The provider ended the answer with an error.")
        return _REASONS.get(said) or self.faults.unknown_reason(said)

    def _read_choice(self, answer: Answer, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if delta:
            content = delta.get("content")
            # Thoughts go by many names; only who speaks is no part of an answer.
            if content or any(value for name, value in delta.items() if name != "role"):
                answer.begin()
            if content:
                answer.texts.append(content if isinstance(content, str) else self.text(content))
            if len(delta) > 1 or not content:
                self._read_rest(answer, delta)
        said = choice.get("finish_reason")
        if said:
            answer.came()
            answer.reason = self.reason(said.lower())

    def _read_rest(self, answer: Answer, delta: dict[str, Any]) -> None:
        refusal = _string(delta.get("refusal"))
        if refusal:
            answer.texts.append(refusal)
            answer.is_refusal = True
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            arguments = function.get("arguments") or ""
            answer.calls.add(
                index=call.get("index"),
                call_id=_string(call.get("id")),
                name=_string(function.get("name")),
                arguments=arguments if isinstance(arguments, str) else _json(arguments),
                signature=self.signature(call),
            )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {
        "name": spec.name,
        "description": spec.description,
        "parameters": dict(spec.parameters),
    }
    return {"type": "function", "function": function}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
