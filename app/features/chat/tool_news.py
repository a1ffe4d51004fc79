"""Calls as clients see them: asked for, started, ended."""

from typing import Any

from app.features.chat.calls import Call
from app.features.chat.events import ApprovalAsked, ToolNews
from app.features.chat.hands import is_recorded
from app.features.tools.runner import CallError, Outcome


def asked_for(call: Call) -> ApprovalAsked:
    """The call as one that a person is asked for."""
    return ApprovalAsked(
        call_id=call.id,
        name=call.name,
        type="" if call.tool is None else call.tool.type,
        arguments=call.arguments,
    )


def news_of(call: Call, outcome: Outcome | None, *, fact: dict[str, Any] | None = None) -> ToolNews:
    """The call as clients see it; without an outcome it has just been started."""
    if outcome is None:
        return _news(call, "started")
    return _news(
        call,
        outcome.status,
        result=outcome.result,
        duration_ms=outcome.duration_ms,
        error=_shown_error(outcome.error),
        fact=fact,
    )


def _news(call: Call, status: Any, **fields: Any) -> ToolNews:
    return ToolNews(
        id=call.id,
        name=call.name,
        type=None if call.tool is None else call.tool.type,
        status=status,
        arguments=call.arguments,
        has_effects=_has_effects(call, status, fields.get("error")),
        **fields,
    )


def _has_effects(call: Call, status: str, error: dict[str, str] | None) -> bool:
    """Whether the call has changed something, or may have."""
    if call.tool is None or call.refusal is not None or not is_recorded(call.tool):
        return False
    return status != "failed" or (error or {}).get("code") == "outcome_unknown"


def _shown_error(error: CallError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "detail": error.detail}
