"""A line or two of plain text for each kind of event."""

import json
import re
from textwrap import shorten

from pydantic import ValidationError

from app.command_line.demo_events import (
    Done,
    Metadata,
    ProblemReceived,
    Progress,
    Source,
    StreamEvent,
)
from app.command_line.demo_failure import DemoFailed

_HEADING_MARK = re.compile(r"(?:^|(?<=\s))#{1,6} ")


def describe(event: StreamEvent, *, width: int) -> str:
    """What an event says, in lines of about `width` characters; `answer` flows instead.

    Raises:
        DemoFailed: the event lacks what the API promises of its kind.
    """
    try:
        return _described(event, width=width)
    except ValidationError as error:
        raise DemoFailed(
            f"Event {event.number} ({event.name}) is not what was promised: {error}"
        ) from error


def _described(event: StreamEvent, *, width: int) -> str:
    match event.name:
        case "progress":
            return _progress(Progress.model_validate(event.data))
        case "source":
            return _source(Source.model_validate(event.data), width=width)
        case "metadata":
            return _metadata(Metadata.model_validate(event.data))
        case "done":
            done = Done.model_validate(event.data)
            return f"{done.finish_reason or 'complete'}, conversation {done.conversation_id}"
        case "error":
            return str(ProblemReceived.model_validate(event.data))
        case _:
            return shorten(json.dumps(event.data, ensure_ascii=False), width, placeholder=" …")


def _progress(progress: Progress) -> str:
    extra = [part for part in (progress.tool, progress.detail) if part]
    return ", ".join([f"{progress.status} ({progress.progress}%)", *extra])


def _source(source: Source, *, width: int) -> str:
    excerpt = _HEADING_MARK.sub("", source.content_excerpt)
    shortened = shorten(excerpt, max(width - 2, 40), placeholder=" …")
    page = f", page {source.page}" if source.page else ""
    return f"[{source.index}] {source.source}{page}, score {source.score:.2f}\n“{shortened}”"


def _metadata(metadata: Metadata) -> str:
    provider = f" ({metadata.provider})" if metadata.provider not in (None, metadata.model) else ""
    parts = [f"model {metadata.model}{provider}"]
    if metadata.usage.input_tokens is not None:
        parts.append(f"{metadata.usage.input_tokens} + {metadata.usage.output_tokens or 0} tokens")
    if metadata.cost_usd:
        parts.append(f"USD {metadata.cost_usd:.6f}")
    if metadata.time_to_first_token_ms is not None:
        parts.append(f"first token after {metadata.time_to_first_token_ms:.0f} ms")
    if metadata.processing_time is not None:
        parts.append(f"{metadata.processing_time:.0f} ms in all")
    return ", ".join(parts)
