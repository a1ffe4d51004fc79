"""What a process counts of itself while it works, for a monitoring system to fetch."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from app.core.errors import Problem

# Name of a gauge and its labels' values -> value.
Gauges = Mapping[tuple[str, str], float]
# How many of this process's connections to the database are in which state.
Connections = Callable[[], Mapping[str, int]]
# Who is called on the way to an answer, besides the models that write it.
HelperKind = Literal["embedder", "reranker", "searcher"]


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

    def helper_called(self, kind: HelperKind, name: str, outcome: str, after_s: float) -> None:
        """A call of the adapter of this name has ended: `ok`, or with its problem's code."""
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

    def helper_called(self, kind: HelperKind, name: str, outcome: str, after_s: float) -> None:
        """Nothing."""

    def run_ended(self, metadata: Mapping[str, Any]) -> None:
        """Nothing."""

    def delivery_attempted(self, outcome: str) -> None:
        """Nothing."""

    def exposed(self, gauges: Gauges) -> bytes:
        """Nothing."""
        return b""


SILENT: Meter = Silent()


@contextmanager
def noted(
    meter: Meter, kind: HelperKind, name: str, *, unless: tuple[type[Exception], ...] = ()
) -> Generator[None]:
    """Note the call within: how long it took, retries included, and how it ended.

    One that is cancelled is not noted, nor one that ends with `unless`: nobody was called.
    """
    outcome, began_s = "ok", time.monotonic()
    try:
        yield
    except unless:
        raise
    except Exception as failure:
        # What has no code of its own gets one of few, as it becomes a label.
        outcome = failure.code() if isinstance(failure, Problem) else f"{kind}_failed"
        meter.helper_called(kind, name, outcome, time.monotonic() - began_s)
        raise
    meter.helper_called(kind, name, outcome, time.monotonic() - began_s)
