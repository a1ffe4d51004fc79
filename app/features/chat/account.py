"""What a run has cost and how long it took."""

from typing import Any

from app.core.clock import Clock, elapsed_ms
from app.features.chat.prompt import CHARS_PER_TOKEN
from app.ports.llm import ResolvedModel, Usage


class RunAccount:
    """Counts one run; `metadata` is what its clients and the message are told."""

    def __init__(self, clock: Clock, model: ResolvedModel, temperature: float) -> None:
        self._clock = clock
        self._model = model
        self._temperature = temperature
        self._started_s = clock.monotonic_s()
        self._first_text_ms: int | None = None
        self._asked_tokens: int | None = None
        self._usage: Usage | None = None

    def asked(self, estimated_tokens: int) -> None:
        """The model is being asked; from now on it may cost something."""
        self._asked_tokens = estimated_tokens

    def counted(self, usage: Usage) -> None:
        """The provider's own count; the last one holds."""
        self._usage = usage

    def text_came(self) -> None:
        """A piece of the answer has arrived."""
        if self._first_text_ms is None:
            self._first_text_ms = elapsed_ms(self._clock, self._started_s)

    def metadata(self, *, text: str, sources_count: int, finish_reason: str) -> dict[str, Any]:
        """The data of the `metadata` event."""
        return {
            "model": self._model.model,
            "provider": self._model.provider.name,
            "temperature": self._temperature,
            "usage": self._tokens(text),
            # Prices come with the catalogue of models; unknown is null, never 0.
            "cost_usd": None,
            "sources_count": sources_count,
            "tool_calls": 0,
            "time_to_first_token_ms": self._first_text_ms,
            "processing_time": elapsed_ms(self._clock, self._started_s),
            "finish_reason": finish_reason,
        }

    def _tokens(self, text: str) -> dict[str, Any] | None:
        if self._usage is not None:
            return {
                "input_tokens": self._usage.input_tokens,
                "output_tokens": self._usage.output_tokens,
                "cached_tokens": self._usage.cached_tokens,
            }
        # An answer that was cut short, or a server that does not count, has cost something too.
        if self._asked_tokens is None or not text:
            return None
        return {
            "input_tokens": self._asked_tokens,
            "output_tokens": -(-len(text) // CHARS_PER_TOKEN),
            "cached_tokens": 0,
            "estimated": True,
        }
