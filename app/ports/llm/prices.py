"""What tokens cost: prices in whole micro-USD, nothing rounded before the end."""

from dataclasses import dataclass
from decimal import Decimal

from app.ports.llm.values import Usage

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-USD for a million tokens; cached ones without a rate of their own cost as others do."""

    input: int
    output: int
    cached: int | None = None

    def cost(self, usage: Usage) -> int:
        """What one answer has cost, in millionths of a micro-USD."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        cached_rate = self.input if self.cached is None else self.cached
        fresh = usage.input_tokens - cached
        return fresh * self.input + cached * cached_rate + usage.output_tokens * self.output


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs: `long` holds for answers whose input is above that many tokens."""

    rates: Rates
    long: Rates | None = None
    above: int = 0

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, however much is written."""
        return self.long is None and not (self.rates.input or self.rates.output)

    def cost(self, usage: Usage) -> int:
        """What one answer has cost, in millionths of a micro-USD."""
        is_long = self.long is not None and usage.input_tokens > self.above
        return (self.long if is_long and self.long else self.rates).cost(usage)


def micro(usd: Decimal) -> int:
    """USD as whole micro-USD."""
    return int((usd * MICRO).to_integral_value())


def in_usd(cost: int) -> float:
    """A sum of costs in USD, to whole micro-USD; upwards, so that what costs is never 0."""
    return -(-cost // MICRO) / MICRO
