"""Where traces and unforeseen failures are sent, where the operator has named a place."""

import structlog

from app.core.settings import Settings

EXTRAS = "opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2"
SENTRY = "sentry-sdk==2.75.0"
log = structlog.get_logger(__name__)


def start_telemetry(settings: Settings) -> None:
    """Once a process, before anything that is to be traced. What is not installed is said."""
    if settings.sends_traces:
        try:
            from app.adapters.telemetry.traces import prepare_traces
        except ImportError:
            log.warning("traces_not_sent", install=f"pip install {EXTRAS}")
        else:
            prepare_traces(settings.otel_service_name)
    if settings.sentry_dsn is not None:
        try:
            from app.adapters.telemetry.sentry import report_to
        except ImportError:
            log.warning("failures_not_reported", install=f"pip install {SENTRY}")
        else:
            report_to(settings.sentry_dsn.get_secret_value())
