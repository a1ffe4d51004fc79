"""What a run has cost and how long it took."""

from dataclasses import asdict, dataclass, field
from typing import Any

from app.core.clock import Clock, elapsed_ms
from app.features.chat.events import Asked, Called, Counted
from app.features.chat.prompt import CHARS_PER_TOKEN
from app.features.chat.terms import RunTerms
from app.ports.llm import Price, Usage, in_usd


@dataclass(frozen=True, slots=True)
class Spent:
    """Answers of the model that are over; `is_estimated` where a server did not count.

    `cost` is None where the price is unknown, else in the parts that `in_usd` reads.
    """

    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    is_estimated: bool = False
    is_known: bool = False
    cost: int | None = 0

    def plus(self, usage: Usage, price: Price | None, *, is_estimated: bool) -> "Spent":
        """With one more answer: each is priced by itself, as long inputs may cost more."""
        cost = None
        if price is not None and self.cost is not None:
            cost = self.cost + price.cost(usage)
        return Spent(
            self.usage + usage, self.is_estimated or is_estimated, is_known=True, cost=cost
        )


class RunAccount:
    """Counts one run; `metadata` is what its clients and the message are told."""

    def __init__(self, clock: Clock, terms: RunTerms) -> None:
        self._clock, self._terms = clock, terms
        self._started_s = clock.monotonic_s()
        self._first_text_ms: int | None = None
        self._spent = Spent()
        self._asked_tokens: int | None = None
        self._chars_before = 0
        self._called_chars = 0
        self._usage: Usage | None = None

    def note(self, event: Asked | Called | Counted, *, text: str) -> None:
        """The model is asked, has called tools, or was counted; `text` is what it has written."""
        match event:
            case Asked(estimated_tokens):
                # Once more or for the first time; from now on it may cost something.
                self._spent = self._with_this_answer(len(text))
                self._asked_tokens, self._usage = estimated_tokens, None
                self._chars_before, self._called_chars = len(text), 0
            case Called(chars):
                self._called_chars = chars
            case Counted(usage):
                # Of the answer under way; the last count holds.
                self._usage = usage

    @property
    def fallback_id(self) -> str | None:
        """The model that has answered in place of the first one."""
        return self._terms.fallback_id

    def switched(self, terms: RunTerms, *, text: str) -> None:
        """Another model is asked from now on; what the one before has counted stays."""
        self._spent = self._with_this_answer(len(text))
        self._asked_tokens = self._usage = None
        self._terms = terms

    def text_came(self) -> None:
        """A piece of the answer has arrived."""
        if self._first_text_ms is None:
            self._first_text_ms = elapsed_ms(self._clock, self._started_s)

    def metadata(
        self, *, text: str, sources_count: int, tool_calls: int, finish_reason: str
    ) -> dict[str, Any]:
        """The data of the `metadata` event."""
        spent = self._with_this_answer(len(text))
        return {
            "model": self._terms.model,
            "provider": self._terms.provider,
            "temperature": self._terms.temperature,
            "usage": self._tokens(spent),
            # Unknown is null, never 0.
            "cost_usd": self._cost_usd(spent),
            "sources_count": sources_count,
            "tool_calls": tool_calls,
            "time_to_first_token_ms": self._first_text_ms,
            "processing_time": elapsed_ms(self._clock, self._started_s),
            "finish_reason": finish_reason,
        }

    def written(self, text: str) -> dict[str, Any]:
        """The account as JSON, for a run that is put down; the wait does not count as work."""
        return {
            "spent": asdict(self._with_this_answer(len(text))),
            "first_text_ms": self._first_text_ms,
            "elapsed_ms": elapsed_ms(self._clock, self._started_s),
        }

    def restore(self, written: dict[str, Any]) -> None:
        """Go on from where a run was put down."""
        spent = written["spent"]
        self._spent = Spent(**(spent | {"usage": Usage(**spent["usage"])}))
        self._first_text_ms = written["first_text_ms"]
        self._started_s -= written["elapsed_ms"] / 1000

    def _cost_usd(self, spent: Spent) -> float | None:
        if spent.is_known:
            return None if spent.cost is None else in_usd(spent.cost)
        return 0.0 if self._terms.price is not None and self._terms.price.is_free else None

    @staticmethod
    def _tokens(spent: Spent) -> dict[str, Any] | None:
        if not spent.is_known:
            return None
        counts = {
            "input_tokens": spent.usage.input_tokens,
            "output_tokens": spent.usage.output_tokens,
            "cached_tokens": spent.usage.cached_tokens,
        }
        return counts | ({"estimated": True} if spent.is_estimated else {})

    def _with_this_answer(self, written_chars: int) -> Spent:
        if self._usage is not None:
            return self._spent.plus(self._usage, self._terms.price, is_estimated=False)
        # An answer that was cut short, or a server that does not count, has cost something too.
        chars = written_chars - self._chars_before + self._called_chars
        if self._asked_tokens is None or not chars:
            return self._spent
        guess = Usage(self._asked_tokens, -(-chars // CHARS_PER_TOKEN))
        return self._spent.plus(guess, self._terms.price, is_estimated=True)
