"""Token buckets in the memory of one process, kept as the moment at which each is full again."""

import math
from collections.abc import Sequence

from app.adapters.shared.memory_places import MemoryPlaces
from app.core.clock import Clock
from app.ports.limiter import Decision, Rate, Wanted

MAX_KEYS = 10_000
# A look through all buckets takes about a millisecond, so that many new keys cannot ask for many.
SWEEP_EVERY_S = 1.0
_NO_ROOM = Decision(allowed=False, remaining=0, retry_after_s=SWEEP_EVERY_S, reset_s=0.0)


class MemoryLimiter:
    """GCRA: a bucket is one number. Past MAX_KEYS what is new is refused, so memory is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at_s: dict[str, float] = {}
        self._swept_s = -math.inf
        self._places = MemoryPlaces(clock)

    async def take(self, key: str, rate: Rate, *, cost: int = 1) -> Decision:
        (decision,) = await self.take_all([Wanted(key, rate, cost)])
        return decision

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Decision]:
        now_s = self._clock.monotonic_s()
        owed = [self._owed_s(one, now_s) for one in wanted]
        fits = [
            owed_s is not None and has_tokens(one, owed_s)
            for one, owed_s in zip(wanted, owed, strict=True)
        ]
        decisions: list[Decision] = []
        for one, owed_s, allowed in zip(wanted, owed, fits, strict=True):
            if owed_s is None:
                decisions.append(_NO_ROOM)
                continue
            if all(fits):
                owed_s += one.cost * one.rate.per_s / one.rate.capacity
                self._full_at_s[one.key] = now_s + owed_s
            decisions.append(decide(one, allowed=allowed, owed_s=owed_s))
        return decisions

    def _owed_s(self, one: Wanted, now_s: float) -> float | None:
        """The time that the bucket needs to be full; None where there is no room for a new one."""
        if one.key not in self._full_at_s and not self._has_room(now_s):
            return None
        # A rate that has become stricter does not keep anybody out for longer than it says.
        return min(max(self._full_at_s.get(one.key, now_s) - now_s, 0.0), one.rate.per_s)

    async def hold(self, key: str, holder: str, *, capacity: int, lease_s: float) -> bool:
        return self._places.hold(key, holder, capacity=capacity, lease_s=lease_s)

    async def let_go(self, key: str, holder: str) -> None:
        self._places.let_go(key, holder)

    def _has_room(self, now_s: float) -> bool:
        if len(self._full_at_s) < MAX_KEYS:
            return True
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            # A full bucket and an unknown one are the same.
            self._full_at_s = {k: at_s for k, at_s in self._full_at_s.items() if at_s > now_s}
        return len(self._full_at_s) < MAX_KEYS


def has_tokens(one: Wanted, owed_s: float) -> bool:
    """Whether a bucket that needs `owed_s` to be full has what is wanted of it."""
    token_s = one.rate.per_s / one.rate.capacity
    return owed_s + one.cost * token_s <= one.rate.per_s + token_s * 1e-6


def decide(one: Wanted, *, allowed: bool, owed_s: float) -> Decision:
    """The decision about a bucket that needs `owed_s` to be full."""
    rate = one.rate
    token_s = rate.per_s / rate.capacity
    missing_s = 0.0 if allowed else max(owed_s + one.cost * token_s - rate.per_s, 0.0)
    return Decision(
        allowed=allowed,
        remaining=max(0, math.floor((rate.per_s - owed_s) / token_s + 1e-6)),
        retry_after_s=missing_s,
        reset_s=owed_s,
    )
