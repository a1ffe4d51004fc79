"""Token buckets in the memory of one process, kept as the moment at which each is full again."""

import math

from app.core.clock import Clock
from app.ports.limiter import Decision, Rate

MAX_KEYS = 10_000
# A look through all buckets takes about a millisecond, so that many new keys cannot ask for many.
SWEEP_EVERY_S = 1.0


class MemoryLimiter:
    """GCRA: a bucket is one number. Past MAX_KEYS what is new is refused, so memory is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at_s: dict[str, float] = {}
        self._swept_s = -math.inf

    async def take(self, key: str, rate: Rate, *, cost: int = 1) -> Decision:
        now_s = self._clock.monotonic_s()
        if key not in self._full_at_s and not self._has_room(now_s):
            return Decision(allowed=False, remaining=0, retry_after_s=SWEEP_EVERY_S, reset_s=0.0)
        token_s = rate.per_s / rate.capacity
        # A rate that has become stricter does not keep anybody out for longer than it says.
        owed_s = min(max(self._full_at_s.get(key, now_s) - now_s, 0.0), rate.per_s)
        after_s = owed_s + cost * token_s
        allowed = after_s <= rate.per_s + token_s * 1e-6
        if allowed:
            owed_s = after_s
            self._full_at_s[key] = now_s + owed_s
        return decide(allowed=allowed, owed_s=owed_s, rate=rate, cost=cost)

    def _has_room(self, now_s: float) -> bool:
        if len(self._full_at_s) < MAX_KEYS:
            return True
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            # A full bucket and an unknown one are the same.
            self._full_at_s = {k: at_s for k, at_s in self._full_at_s.items() if at_s > now_s}
        return len(self._full_at_s) < MAX_KEYS


def decide(*, allowed: bool, owed_s: float, rate: Rate, cost: int) -> Decision:
    """The decision about a bucket that needs `owed_s` to be full."""
    token_s = rate.per_s / rate.capacity
    missing_s = 0.0 if allowed else max(owed_s + cost * token_s - rate.per_s, 0.0)
    return Decision(
        allowed=allowed,
        remaining=max(0, math.floor((rate.per_s - owed_s) / token_s + 1e-6)),
        retry_after_s=missing_s,
        reset_s=owed_s,
    )
