"""Mistral's models; its API refuses whatever its schema does not name."""

import hashlib
import re
from typing import Any

from app.adapters.llm.chat_completions import ChatCompletions
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.vendor import Vendor
from app.ports.llm import ChatRequest, ContextTooLong, FinishReason

MAX_TEMPERATURE = 1.5
_OWN_NAMES = re.compile(
    r"(open-)?(mistral|mixtral|ministral|codestral|magistral|pixtral|devstral|voxtral)"
    r"-[a-z0-9.\-]+"
)
_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_FAULTS = Faults(provider="mistral", signs={"too large for model": ContextTooLong})


class Mistral(ChatCompletions):
    """Chat completions after a strict schema."""

    def parameters(self, request: ChatRequest) -> dict[str, Any]:
        parameters = super().parameters(request)
        # Answered with 422; usage comes without it.
        del parameters["stream_options"]
        return parameters

    def sampling(self, request: ChatRequest) -> dict[str, Any]:
        chosen = super().sampling(request)
        if request.temperature is not None:
            chosen["temperature"] = min(request.temperature, MAX_TEMPERATURE)
        if request.temperature == 0:
            chosen["top_p"] = None  # refused with a temperature of 0
        return chosen

    def call_id(self, call_id: str) -> str:
        """Nine letters and digits; an id of another provider always gives the same ones."""
        if _CALL_ID.fullmatch(call_id):
            return call_id
        return hashlib.sha256(call_id.encode()).hexdigest()[:9]

    def text(self, content: Any) -> str:
        # Reasoning models send lists, in which their thoughts are parts of another type.
        return "".join(part["text"] for part in content if part.get("type") == "text")

    def reason(self, said: str) -> FinishReason:
        return "length" if said == "model_length" else super().reason(said)


PROVIDER = adapter(
    Vendor(
        name="mistral",
        dialect=Mistral(_FAULTS),
        base_url="https://api.mistral.ai/v1",
        own_names=_OWN_NAMES,
    )
)
