"""OpenTelemetry's SDK, to which FastAPI adds the exporter that `OTEL_EXPORTER_OTLP_…` name."""

import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

from app import __version__

_lock = threading.Lock()
_prepared: list[TracerProvider] = []


class WithoutQueries(SpanProcessor):
    """What people search for, and tickets that open a stream, stay out of traces."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if span.attributes and "url.query" in span.attributes:
            span.set_attribute("url.query", "REDACTED")


def prepare_traces(service_name: str) -> None:
    """Make the process's tracer provider; a second call changes nothing."""
    with _lock:
        if _prepared:
            return
        given = {SERVICE_VERSION: __version__, SERVICE_NAME: service_name}
        provider = TracerProvider(resource=Resource.create(given))
        provider.add_span_processor(WithoutQueries())
        trace.set_tracer_provider(provider)
        _prepared.append(provider)
