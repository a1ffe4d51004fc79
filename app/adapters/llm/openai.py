"""OpenAI, or by `OPENAI_BASE_URL` any server that speaks its chat completions."""

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
_FAULTS = Faults(provider="openai")


class OpenAI(ChatCompletions):
    """Chat completions with OpenAI's reasoning models."""

    def sampling(self, request: ChatRequest) -> dict[str, Any]:
        # Those models refuse `temperature`, `top_p` and the older name of the limit.
        if _REASONING.match(request.model):
            return {"max_completion_tokens": request.max_tokens}
        return super().sampling(request)


PROVIDER = adapter(
    Vendor(
        name="openai",
        dialect=OpenAI(_FAULTS),
        base_url="https://api.openai.com/v1",
        own_names=_OWN_NAMES,
        windows={
            "gpt-3.5": 16_385,
            "gpt-4": 8_192,
            "gpt-4-turbo": 128_000,
            "gpt-4o": 128_000,
            "gpt-4.1": 1_000_000,
            "gpt-5": 400_000,
            "gpt-": 128_000,
            "chatgpt-": 128_000,
            "o1": 200_000,
            "o3": 200_000,
            "o4": 200_000,
        },
    )
)
