"""What the organization is told of the calls of its agents."""

from typing import Any

from app.domain_events import EVENTS
from app.domain_events.approval_requested import ApprovalRequested
from app.domain_events.tool_failed import ToolFailed
from app.features.chat.calls import Call
from app.features.chat.events import KEPT_BYTES, shortened
from app.features.chat.records import RunIds
from app.features.chat.wait_repository import WAIT_S
from app.features.tools.runner import Outcome


def failure_fact(ids: RunIds, call: Call, outcome: Outcome) -> dict[str, Any] | None:
    """`tool_failed`, where a call that was made has failed."""
    tool, error = call.tool, outcome.error
    if tool is None or error is None or call.refusal is not None:
        return None
    data = ToolFailed(
        call_id=call.id,
        tool_id=tool.id,
        name=call.name,
        type=tool.type,
        code=error.code,
        detail=error.detail,
        run_id=ids.run_id,
        conversation_id=ids.conversation_id,
        message_id=ids.message_id,
        agent_id=ids.agent_id,
    )
    return EVENTS["tool_failed"].of(data, agent_id=ids.agent_id)


def approval_fact(ids: RunIds, call: Call) -> dict[str, Any]:
    """`approval_requested`, for whoever may decide."""
    tool = call.tool
    data = ApprovalRequested(
        call_id=call.id,
        tool_id="" if tool is None else tool.id,
        name=call.name,
        type="" if tool is None else tool.type,
        arguments=shortened(call.arguments, KEPT_BYTES),
        expires_in_s=WAIT_S,
        unsaid_destinations=list(call.unsaid),
        run_id=ids.run_id,
        conversation_id=ids.conversation_id,
        message_id=ids.message_id,
        agent_id=ids.agent_id,
    )
    return EVENTS["approval_requested"].of(data, agent_id=ids.agent_id)
