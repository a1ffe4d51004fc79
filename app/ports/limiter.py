"""How often something may be done, and how often at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket of `capacity` tokens, which fills from empty to full in `per_s` seconds."""

    capacity: int
    per_s: float

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.per_s <= 0:
            raise ValueError("a rate needs at least one token and some time")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tokens that somebody would have of one bucket."""

    key: str
    rate: Rate
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the tokens were there, and when there will be more."""

    allowed: bool
    remaining: int
    """Whole tokens that are left."""
    retry_after_s: float
    """0 when allowed, else the time after which the same request will be."""
    reset_s: float
    """The time after which the bucket is full again, if nobody takes from it."""


class Limiter(Protocol):
    """Token buckets by key, which all processes share."""

    async def take(self, key: str, rate: Rate, *, cost: int = 1) -> Decision:
        """Take `cost` tokens if they are there; nothing is taken if they are not.

        In an outage each process counts by itself, so that a limit is never lifted. What costs
        more than the capacity is never allowed.
        """
        ...

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Decision]:
        """Take from every bucket in one step, or from none where one of them lacks tokens.

        The decisions come in the order asked; one of a bucket that had enough says so, whether it
        was taken from or not. In an outage as `take`.
        """
        ...

    async def hold(self, key: str, holder: str, *, capacity: int, lease_s: float) -> bool:
        """Take one of `capacity` places until `let_go`, at the longest for `lease_s`.

        In an outage each process counts by itself. The same holder again has its place anew.
        """
        ...

    async def let_go(self, key: str, holder: str) -> None:
        """Give the place back; harmless where there is none."""
        ...
