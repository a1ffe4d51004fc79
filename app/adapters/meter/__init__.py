"""Where a process's own figures go: Prometheus, where METRICS_TOKEN is set."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

from app.core.server_process import count_of_workers
from app.core.settings import Settings, tell_libraries
from app.ports.meter import SILENT, Connections, Meter


@asynccontextmanager
async def open_meter(
    settings: Settings, connections: Connections, providers: Collection[str]
) -> AsyncGenerator[Meter]:
    """One that notes, where somebody may fetch it; its libraries are loaded only there.

    Raises:
        CannotStart: this is one of several workers, and they cannot share their figures.
    """
    if settings.metrics_token is None:
        yield SILENT
        return
    folder = None
    if count_of_workers(settings.web_concurrency) > 1:
        from app.adapters.meter.workers import folder_of_workers

        folder = folder_of_workers()
        # It looks there once, when it is loaded.
        tell_libraries(PROMETHEUS_MULTIPROC_DIR=str(folder))
    from app.adapters.meter.prometheus import open_prometheus

    async with open_prometheus(connections, providers, folder) as meter:
        yield meter
