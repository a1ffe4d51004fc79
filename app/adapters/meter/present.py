"""Figures that are of the moment when they are fetched: read then, and kept by nobody."""

from collections.abc import Collection, Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app import __version__
from app.ports.meter import Gauges

GAUGES = {
    "agentes_queue_length": (
        "queue",
        "What waits: documents, deliveries that are due, events, approvals by people.",
    ),
    "agentes_queue_age_seconds": ("queue", "How long the first in line has waited."),
    "agentes_active": ("what", "Runs, event streams and processes, over all processes."),
    "agentes_dependency_up": ("dependency", "1 while it answers."),
}


class Told(Collector):
    """The version, and what the service has found out just now."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("agentes_build_info", "The version.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        for name, (label, text) in GAUGES.items():
            family = GaugeMetricFamily(name, text, labels=[label])
            for (told, value_of), value in self._gauges.items():
                if told == name:
                    family.add_metric([value_of], value)
            yield family


class Workers(Collector):
    """Memory, processor time and files of each worker, under its number."""

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for pid in sorted(self._pids):
            for found in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():
                empty = Metric(found.name, found.documentation, found.type)
                family = families.setdefault(found.name, empty)
                for sample in found.samples:
                    family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
        return families.values()
