"""What a process counts of itself while it works, for a monitoring system to fetch."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

# Name of a gauge and its labels' values -> value.
Gauges = Mapping[tuple[str, str], float]
# How many of this process's connections to the database are in which state.
Connections = Callable[[], Mapping[str, int]]


class Meter(Protocol):
    """Notes cost a few microseconds and never fail; nothing that could be a person's is a label."""

    @property
    def is_on(self) -> bool:
        """Whether anybody can fetch what is noted."""
        ...

    def request_ended(self, method: str, route: str, status: int | None, duration_s: float) -> None:
        """A request was answered, or not (None), under the route's path as it is declared."""
        ...

    def stream_began(self, route: str, after_s: float) -> None:
        """The first event of a stream is on its way, that long after its request."""
        ...

    def provider_answered(self, provider: str, outcome: str, after_s: float) -> None:
        """An attempt has brought its first event (`began`), or failed before it, by its code."""
        ...

    def provider_failed(self, provider: str, outcome: str) -> None:
        """An attempt has failed with this code, before its first event or after it."""
        ...

    def run_ended(self, metadata: Mapping[str, Any]) -> None:
        """A run is over; `metadata` as in its event of that name."""
        ...

    def delivery_attempted(self, outcome: str) -> None:
        """A webhook's endpoint was called."""
        ...

    def exposed(self, gauges: Gauges) -> bytes:
        """Everything noted, and these values of now, in Prometheus's text format 0.0.4."""
        ...


class Silent:
    """Notes nothing: nobody fetches it."""

    is_on = False

    def request_ended(self, method: str, route: str, status: int | None, duration_s: float) -> None:
        """Nothing."""

    def stream_began(self, route: str, after_s: float) -> None:
        """Nothing."""

    def provider_answered(self, provider: str, outcome: str, after_s: float) -> None:
        """Nothing."""

    def provider_failed(self, provider: str, outcome: str) -> None:
        """Nothing."""

    def run_ended(self, metadata: Mapping[str, Any]) -> None:
        """Nothing."""

    def delivery_attempted(self, outcome: str) -> None:
        """Nothing."""

    def exposed(self, gauges: Gauges) -> bytes:
        """Nothing."""
        return b""


SILENT: Meter = Silent()
