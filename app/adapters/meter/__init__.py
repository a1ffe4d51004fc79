"""Where a process's own figures go: Prometheus, where METRICS_TOKEN is set."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.settings import Settings
from app.ports.meter import SILENT, Meter


@asynccontextmanager
async def open_meter(settings: Settings) -> AsyncGenerator[Meter]:
    """One that notes, where somebody may fetch it; its library is loaded only there."""
    if settings.metrics_token is None:
        yield SILENT
        return
    from app.adapters.meter.prometheus import open_prometheus

    async with open_prometheus() as meter:
        yield meter
