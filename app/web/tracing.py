"""Which requests FastAPI traces, and what of them."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig


def traced(*, is_sent: bool) -> TelemetryConfig:
    """A span a request, sent where the environment says if anything is sent at all."""
    return TelemetryConfig(
        auto_configure=is_sent, metrics=False, logs=False, operation_spans=False, exclude=_is_probe
    )


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    """Requests of machines that look in every few seconds tell nothing."""
    return scope["path"].startswith(("/health", "/metrics"))
