"""A clock that moves when it is told to."""

from datetime import UTC, datetime, timedelta


class HandClock:
    """Stands still, or moves by `step_s` each time it is read."""

    def __init__(self, *, step_s: float = 0.0) -> None:
        self._seconds = 0.0
        self._step_s = step_s

    def forward(self, seconds: float) -> None:
        self._seconds += seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        self._seconds += self._step_s
        return self._seconds
