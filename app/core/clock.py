"""Time as an argument, so that a test can hold it still."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: the wall for what is written down, the steady one for what is measured."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards; only differences mean something."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()


def elapsed_ms(clock: Clock, since_s: float) -> int:
    """Whole milliseconds since an earlier `monotonic_s()`."""
    return round((clock.monotonic_s() - since_s) * 1000)
