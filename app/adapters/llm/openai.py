"""OpenAI, or by `OPENAI_BASE_URL` any server that speaks its chat completions."""

import hashlib
import re
from typing import Any

from app.adapters.llm.chat_completions import ChatCompletions
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.vendor import Vendor
from app.ports.llm import ChatRequest

# gpt-oss is OpenAI's, but served by others only.
_OWN_NAMES = re.compile(r"(gpt-(?!oss)|chatgpt-)[a-z0-9.\-]+|o[1-9](-[a-z0-9.\-]+)?")
_REASONING = re.compile(r"o[1-9](-|$)|gpt-[5-9]")
# These think unless told not to, and are refused tools then (over chat completions).
_THINKS_OR_CALLS = re.compile(r"gpt-(5\.[6-9]|[6-9])")
# Longer ones are refused: other vendors' are, and some of our own.
MAX_ID_CHARS = 40
_FAULTS = Faults(provider="openai")


class OpenAI(ChatCompletions):
    """Chat completions with OpenAI's reasoning models."""

    def sampling(self, request: ChatRequest) -> dict[str, Any]:
        # Those models refuse `temperature`, `top_p` and the older name of the limit.
        if _REASONING.match(request.model):
            chosen: dict[str, Any] = {"max_completion_tokens": request.max_tokens}
            if request.tools and _THINKS_OR_CALLS.match(request.model):
                chosen["reasoning_effort"] = "none"
            return chosen
        return super().sampling(request)

    def call_id(self, call_id: str) -> str:
        """An id that is too long always gives the same shorter one."""
        if len(call_id) <= MAX_ID_CHARS:
            return call_id
        return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:32]}"


PROVIDER = adapter(
    Vendor(
        name="openai",
        dialect=OpenAI(_FAULTS),
        base_url="https://api.openai.com/v1",
        own_names=_OWN_NAMES,
    )
)
