"""A clock that moves when a test says so."""

from datetime import UTC, datetime, timedelta


class HeldClock:
    def __init__(self) -> None:
        self._passed_s = 1_000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._passed_s)

    def monotonic_s(self) -> float:
        return self._passed_s

    def pass_s(self, seconds: float) -> None:
        self._passed_s += seconds
