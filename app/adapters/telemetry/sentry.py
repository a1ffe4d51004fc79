"""Unforeseen failures, reported to Sentry with their traceback and the ids that logs have."""

import logging
from collections.abc import MutableMapping
from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber

from app import __version__

# What of a log line tells which request, run or piece of work it was.
TAGS = ("request_id", "run_id", "document_id", "call_id", "delivery_id", "work", "trace_id")


def report_to(dsn: str) -> None:
    """Report what is logged with a traceback; `SENTRY_ENVIRONMENT` and the like hold as usual.

    No bodies, headers, queries, addresses or local variables leave the process.
    """
    sentry_sdk.init(
        dsn=dsn,
        release=f"agentes@{__version__}",
        default_integrations=False,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=0,
        event_scrubber=EventScrubber(denylist=[*DEFAULT_DENYLIST, "dsn"], recursive=True),
    )
    ignore_logger("app.*")  # those pass `report`, which knows their ids
    processors: list[Any] = list(structlog.get_config()["processors"])
    structlog.configure(processors=[*processors[:-1], report, processors[-1]])


def report(logger: Any, name: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of the log's pipeline: what comes with a traceback is reported too."""
    told = record.get("exc_info")
    if told:
        with sentry_sdk.new_scope() as scope:
            for tag in TAGS:
                if tag in record:
                    scope.set_tag(tag, str(record[tag]))
            scope.set_tag("event", str(record.get("event")))
            scope.set_tag("logger", str(record.get("logger")))
            sentry_sdk.capture_exception(
                told if isinstance(told, BaseException) else None, scope=scope
            )
    return record
