"""OpenRouter: other vendors' models, whose thoughts have to go back with their calls."""

from functools import partial
from typing import Any

import orjson

from app.adapters.llm.answer import Answer, Take
from app.adapters.llm.chat_completions import ChatCompletions
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.surrogates import whole
from app.adapters.llm.vendor import Vendor
from app.ports.llm import Message

# What comes in pieces; of everything else the last word holds.
_GROWING = {"reasoning.text": "text", "reasoning.summary": "summary"}


class _Thoughts:
    """The `reasoning_details` of one answer, each put together from its pieces."""

    def __init__(self) -> None:
        self._details: list[dict[str, Any]] = []
        self._pieces: list[list[str]] = []
        self._places: dict[tuple[str, object], int] = {}

    def add(self, detail: dict[str, Any]) -> None:
        """The next piece, or a whole one."""
        kind = str(detail.get("type"))
        name = _GROWING.get(kind)
        key = kind, detail.get("index")
        place = self._places.get(key) if name else None
        if place is None:
            place = len(self._details)
            self._details.append({})
            self._pieces.append([])
            if name:
                self._places[key] = place
        if name and detail.get(name):
            self._pieces[place].append(detail[name])
        told = {part: value for part, value in detail.items() if value is not None}
        self._details[place].update(told)

    @property
    def written(self) -> str | None:
        """All of them, in their order, as JSON; None where there were none."""
        for detail, pieces in zip(self._details, self._pieces, strict=True):
            if pieces:
                detail[_GROWING[detail["type"]]] = whole("".join(pieces))
        return orjson.dumps(self._details).decode() if self._details else None


class OpenRouter(ChatCompletions):
    """Chat completions with thoughts: Gemini 3 and Claude refuse calls that come without theirs."""

    def begin(self, answer: Answer) -> Take:
        return partial(self._read, answer, _Thoughts())

    def message(self, message: Message) -> dict[str, Any]:
        sent = super().message(message)
        signed = [call.signature for call in message.tool_calls if call.signature]
        return sent | {"reasoning_details": orjson.loads(signed[0])} if signed else sent

    def _read(self, answer: Answer, thoughts: _Thoughts, part: Any) -> None:
        for choice in part.get("choices") or ():
            delta = choice.get("delta") or {}
            for detail in delta.get("reasoning_details") or ():
                thoughts.add(detail)
        self.read(answer, part)
        if answer.reason is not None:
            answer.calls.sign(thoughts.written)


PROVIDER = adapter(
    Vendor(
        name="openrouter",
        dialect=OpenRouter(Faults(provider="openrouter")),
        base_url="https://openrouter.ai/api/v1",
    )
)
