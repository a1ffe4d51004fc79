"""Figures for Prometheus, named as https://prometheus.io/docs/practices/naming/ has it."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from app.adapters.meter.present import Told, Workers
from app.adapters.meter.workers import pids_in
from app.ports.llm.catalogue import CATALOGUE
from app.ports.meter import Connections, Gauges, HelperKind

# How old a worker's own figures may be where another one shows them.
NOTED_EVERY_S = 5.0
LAG_SAMPLED_EVERY_S = 0.25
REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
EVENT_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class PrometheusMeter:
    """Everything in a registry of its own: two services in one process do not mix.

    Workers of one server keep their figures in a `folder`. Whichever is asked shows those of all:
    sums of what is counted, and what each is doing under its `pid`.
    """

    is_on = True

    def __init__(
        self, connections: Connections, providers: Collection[str], folder: Path | None = None
    ) -> None:
        self._connections_now, self._folder = connections, folder
        self._registry = CollectorRegistry()
        self._requests = self._times(
            "agentes_http_request_duration_seconds",
            "From the request's head to the response's last byte; streams as long as they last.",
            REQUEST_S,
            "method",
            "route",
            "status",
        )
        self._first_event = self._times(
            "agentes_stream_first_event_seconds",
            "From a stream's request to its first event.",
            EVENT_S,
            "route",
        )
        self._lag = self._times(
            "agentes_event_loop_lag_seconds",
            "How much later than wanted the event loop came back.",
            LAG_S,
        )
        self._tasks = self._gauge("agentes_event_loop_tasks", "Tasks that are not done.")
        self._connections = self._gauge(
            "agentes_database_connections", "Connections of a process's pool.", "state"
        )
        self._deliveries = self._count("agentes_webhook_attempts", "Calls of endpoints.", "outcome")
        self._prepare_runs()
        self._prepare_calls()
        for provider in providers:
            # From 0 on: Prometheus sees no increase in what it meets at 1.
            self._unpriced.labels(provider)

    def _prepare_runs(self) -> None:
        self._first_token = self._times(
            "agentes_run_first_token_seconds",
            "From a run's begin to the first piece of its answer.",
            EVENT_S,
            "provider",
        )
        self._runs = self._times(
            "agentes_run_duration_seconds",
            "From a run's begin to its end.",
            REQUEST_S,
            "provider",
            "finish_reason",
        )
        self._tokens = self._count("agentes_tokens", "Tokens used.", "provider", "model", "kind")
        self._cost = self._count(
            "agentes_cost_usd", "Of runs whose price is known.", "provider", "model"
        )
        self._unpriced = self._count(
            "agentes_runs_unpriced", "Runs whose price is not known.", "provider"
        )

    def _prepare_calls(self) -> None:
        self._provider = self._times(
            "agentes_provider_answer_seconds",
            "From an attempt to the provider's first event, or to its failure.",
            EVENT_S,
            "provider",
            "outcome",
        )
        self._failures = self._count(
            "agentes_provider_failures",
            "Attempts that failed, before the first event or after it.",
            "provider",
            "outcome",
        )
        self._helpers = self._times(
            "agentes_helper_call_seconds",
            "Calls of embedders, rerankers and search engines, retries included.",
            REQUEST_S,
            "kind",
            "name",
            "outcome",
        )

    def _times(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def _count(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry, multiprocess_mode="liveall")

    def request_ended(self, method: str, route: str, status: int | None, duration_s: float) -> None:
        self._requests.labels(method, route, status or "none").observe(duration_s)

    def stream_began(self, route: str, after_s: float) -> None:
        self._first_event.labels(route).observe(after_s)

    def provider_answered(self, provider: str, outcome: str, after_s: float) -> None:
        self._provider.labels(provider, outcome).observe(after_s)

    def provider_failed(self, provider: str, outcome: str) -> None:
        self._failures.labels(provider, outcome).inc()

    def helper_called(self, kind: HelperKind, name: str, outcome: str, after_s: float) -> None:
        self._helpers.labels(kind, name, outcome).observe(after_s)

    def run_ended(self, metadata: Mapping[str, Any]) -> None:
        provider = metadata["provider"]
        # An organization may name models as it likes: only ours become labels.
        known = CATALOGUE.window(provider, metadata["model"]) is not None
        model = metadata["model"] if known else "other"
        self._runs.labels(provider, metadata["finish_reason"]).observe(
            metadata["processing_time"] / 1000
        )
        if (first_ms := metadata["time_to_first_token_ms"]) is not None:
            self._first_token.labels(provider).observe(first_ms / 1000)
        for kind in ("input_tokens", "output_tokens", "cached_tokens"):
            count = (metadata["usage"] or {}).get(kind, 0)
            self._tokens.labels(provider, model, kind.removesuffix("_tokens")).inc(count)
        if (cost := metadata["cost_usd"]) is None:
            self._unpriced.labels(provider).inc()
        else:
            self._cost.labels(provider, model).inc(cost)

    def delivery_attempted(self, outcome: str) -> None:
        self._deliveries.labels(outcome).inc()

    def exposed(self, gauges: Gauges) -> bytes:
        self._note()
        present = CollectorRegistry()
        present.register(Told(gauges))
        PlatformCollector(registry=present)
        if self._folder is None:
            ProcessCollector(registry=present)
            return generate_latest(present) + generate_latest(self._registry)
        living, gone = pids_in(self._folder)
        for pid in gone:
            with suppress(FileNotFoundError):  # another worker has been asked at the same time
                mark_process_dead(pid, str(self._folder))
        present.register(Workers(living))
        return generate_latest(present) + generate_latest(_of_all(self._folder))

    def _note(self) -> None:
        """What this process is doing now."""
        self._tasks.set(len(asyncio.all_tasks()))
        for state, count in self._connections_now().items():
            self._connections.labels(state).set(count)

    async def keep_noting(self) -> None:
        """Let the other workers show what this one is doing, for ever."""
        while True:
            self._note()
            await asyncio.sleep(NOTED_EVERY_S)

    async def watch_loop(self) -> None:
        """Sample the event loop's lag for ever."""
        loop = asyncio.get_running_loop()
        while True:
            wanted_s = loop.time() + LAG_SAMPLED_EVERY_S
            await asyncio.sleep(LAG_SAMPLED_EVERY_S)
            self._lag.observe(max(0.0, loop.time() - wanted_s))


def _of_all(folder: Path) -> CollectorRegistry:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return registry


@asynccontextmanager
async def open_prometheus(
    connections: Connections, providers: Collection[str], folder: Path | None
) -> AsyncGenerator[PrometheusMeter]:
    """A meter that watches the event loop as long as it is open."""
    meter = PrometheusMeter(connections, providers, folder)
    loop = asyncio.get_running_loop()
    watching = [loop.create_task(meter.watch_loop())]
    if folder is not None:
        watching.append(loop.create_task(meter.keep_noting()))
    try:
        yield meter
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
