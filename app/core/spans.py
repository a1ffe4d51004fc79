"""Spans of agents at work, named as OpenTelemetry's conventions for generative AI have it.

https://opentelemetry.io/docs/specs/semconv/gen-ai/. Without a place to send them to, each costs a
few microseconds. They hold ids, models and counts; never what anybody has said.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from app import __version__
from app.core.errors import Problem

Attributes = Mapping[str, str | int | float | bool | Sequence[str] | None]
# Where the conventions have a name for a provider, it is theirs.
_PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai"}
_tracer = trace.get_tracer("agentes", __version__)


@contextmanager
def agent_span(agent_id: str, attributes: Attributes) -> Generator[Span]:
    """One run of an agent; spans begun within, in this task and those that it makes, are below."""
    operation = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": agent_id}
    span = _tracer.start_span("invoke_agent", attributes=_given({**operation, **attributes}))
    with trace.use_span(span, record_exception=False, set_status_on_exception=False), _ended(span):
        yield span


@contextmanager
def chat_span(provider: str, model: str, attributes: Attributes) -> Generator[Span]:
    """One answer of a model; current for nobody, so a generator may hold it over its yields."""
    operation = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
    }
    span = _tracer.start_span(
        f"chat {model}", kind=SpanKind.CLIENT, attributes=_given({**operation, **attributes})
    )
    with _ended(span):
        yield span


@contextmanager
def tool_span(name: str, attributes: Attributes) -> Generator[Span]:
    """One call of a tool."""
    operation = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    span = _tracer.start_span(
        f"execute_tool {name}", attributes=_given({**operation, **attributes})
    )
    with _ended(span):
        yield span


def failed(span: Span, code: str) -> None:
    """It did not do what it was begun for."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", code)


def told(span: Span, attributes: Attributes) -> None:
    """Add what was not known at its begin; None is not told."""
    span.set_attributes(_given(attributes))


@contextmanager
def _ended(span: Span) -> Generator[None]:
    try:
        yield
    except Exception as error:
        failed(span, error.code() if isinstance(error, Problem) else type(error).__qualname__)
        raise
    finally:
        span.end()


def _given(attributes: Attributes) -> dict[str, str | int | float | bool | Sequence[str]]:
    return {name: value for name, value in attributes.items() if value is not None}
