"""Structured logs: one line a fact, JSON for machines, colours on a terminal."""

import logging
import sys
from typing import Any, Literal, cast

import orjson
import structlog
from opentelemetry import trace

from app.core.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Send our own and every library's records through one pipeline to standard error.

    Bodies, headers and credentials are never passed to a logger, so none can appear.
    """
    form = settings.log_format or ("console" if sys.stderr.isatty() else "json")
    shared = _shared_processors()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _driver_failures_in_one_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(form),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = name != "uvicorn.access"  # web.access writes the better line
    for name in ("httpx", "httpx2", "httpcore2", "sse_starlette", "openai", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _shared_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _with_trace(logger: Any, name: str, record: Any) -> Any:
    """The id under which traces have what the line is about."""
    if (context := trace.get_current_span().get_span_context()).is_valid:
        record["trace_id"] = trace.format_trace_id(context.trace_id)
    return record


def _driver_failures_in_one_line(logger: Any, name: str, record: Any) -> Any:
    # asyncpg gives a traceback of its own inside for every attempt to reach a database that is
    # restarting; what it said is enough.
    if str(record.get("logger")).startswith("asyncpg") and record.get("exc_info"):
        error = record.pop("exc_info")[1]
        record["error"] = f"{type(error).__name__}: {error}"
    return record


def _renderer(form: Literal["json", "console"]) -> Any:
    if form == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Rich's, where that is there, shows the values of variables.
            exception_formatter=structlog.dev.plain_traceback,
        )
    return _render_json


def _render_json(logger: Any, name: str, record: Any) -> str:
    with_traceback = structlog.processors.format_exc_info(logger, name, record)
    fields = cast("dict[str, Any]", with_traceback)
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
