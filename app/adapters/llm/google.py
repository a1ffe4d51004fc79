"""Google's Gemini models, over its OpenAI-compatible address."""

import re
from typing import Any

from app.adapters.llm.answer import Answer, usage_of
from app.adapters.llm.chat_completions import ChatCompletions
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.vendor import Vendor
from app.ports.llm import (
    ChatRequest,
    ContextTooLong,
    FinishReason,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderRefusedKey,
    ToolCall,
    Usage,
)

_FAULTS = Faults(
    provider="google",
    signs={
        # Both come with the status 400.
        "api key not valid": ProviderRefusedKey,
        "api_key_invalid": ProviderRefusedKey,
        "exceeds the maximum number of tokens": ContextTooLong,
        "resource_exhausted": ProviderRateLimited,
    },
    # Google asks for a pause in the body, not in a header.
    retry_after=re.compile(r"retrydelay\W+(\d+(?:\.\d+)?)s"),
)
# Google's own word for a call that was made elsewhere.
UNSIGNED = "skip_thought_signature_validator"
# Models that check the signatures: all since Gemini 3.
_SIGNS = re.compile(r"gemini-(?![12][.-])")
# Nothing that is asked again unchanged is answered after these.
_FILTERED = frozenset(
    (
        "safety",
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
        "model_armor",
    )
)
_UNREADABLE = ("malformed_function_call", "unexpected_tool_call", "too_many_tool_calls")


class Gemini(ChatCompletions):
    """Chat completions with signed tool calls and with thoughts that are counted apart."""

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        parameters = super().parameters(request)
        if _SIGNS.search(request.model):
            for message in parameters["messages"]:
                _sign_for_another(message.get("tool_calls", []))
        return parameters

    def sent_call(self, call: ToolCall) -> dict[str, Any]:
        sent = super().sent_call(call)
        if call.signature is not None:
            # Gemini 3 answers 400 when a call comes back without it.
            sent["extra_content"] = _signed(call.signature)
        return sent

    def signature(self, call: dict[str, Any]) -> str | None:
        extra = call.get("extra_content") or {}
        signature = (extra.get("google") or {}).get("thought_signature")
        return signature if isinstance(signature, str) else None

    def read(self, answer: Answer, part: Any) -> None:
        # An error comes in a list.
        super().read(answer, part[0] if isinstance(part, list) else part)

    def reason(self, said: str) -> FinishReason:
        # The address puts a word of its own before Google's, or passes that on alone.
        kind, _, rest = said.partition(":")
        own = rest.strip() or kind
        if kind == "function_call_filter" or own in _UNREADABLE:
            raise ProviderMalformed("The model has written a call that its provider cannot read.")
        if kind == "content_filter" or own in _FILTERED:
            return "content_filter"
        return super().reason(said)

    def usage(self, usage: dict[str, Any]) -> Usage | None:
        counted = super().usage(usage)
        total = usage.get("total_tokens")
        if counted is None or not isinstance(total, int):
            return counted
        # The total alone holds the thoughts, which cost what answers cost.
        written = max(counted.output_tokens, total - counted.input_tokens)
        return usage_of(counted.input_tokens, written, counted.cached_tokens)


def _signed(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


def _sign_for_another(calls: list[dict[str, Any]]) -> None:
    """Calls that another model has made have no signature; of calls together the first needs one.

    Gemini leaves the others of its own unsigned too.
    """
    if calls and not any("extra_content" in call for call in calls):
        calls[0]["extra_content"] = _signed(UNSIGNED)


PROVIDER = adapter(
    Vendor(
        name="google",
        dialect=Gemini(_FAULTS),
        base_url="https://generativelanguage.googleapis.com/v1beta/openai/",
        own_names=re.compile(r"gemini-[a-z0-9.\-]+"),
    )
)
