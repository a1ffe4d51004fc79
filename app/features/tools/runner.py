"""The one way in which a tool is called: bounded in time and size, and never raising."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import structlog

from app.core.errors import Problem
from app.core.ids import AgentId, ConversationId, MessageId, OrganizationId, RunId
from app.core.redaction import redacted
from app.features.tools.active import ActiveTool
from app.features.tools.argument_schema import check_arguments, read_arguments
from app.features.tools.kinds.kind import CallContext, FormShown, ToolFailed, ToolResult, WebPage
from app.features.tools.results import bounded, clean, plain
from app.ports import Ports
from app.ports.limiter import Rate

MAX_DETAIL_CHARS = 1000
# Of one tool that changes something, in one conversation.
EFFECTS = Rate(capacity=20, per_s=600)
# Failures that come after the request may have been sent, or after it has.
AFTER_SENDING = {
    "tool_timed_out",
    "tool_broke",
    "fetch_timed_out",
    "answer_broken",
    "closed_unanswered",
    "response_too_large",
    "invalid_json",
    "not_json",
    "nothing_selected",
    "unsupported_content_type",
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """In what a call is made. `key` is the same whenever the same call is made again."""

    agent_id: AgentId
    key: str
    run_id: RunId | None = None
    conversation_id: ConversationId | None = None
    message_id: MessageId | None = None
    visitor_id: str | None = None
    language: str = "pt-BR"


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a call failed: safe for the model, the log and the user."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a call.

    `result` is plain JSON for events and rows, `text` the same (or the error) for the model; both
    at most `MAX_RESULT_BYTES`. A failure that `is_mendable` may be tried with other arguments; one
    that `is_unknown` may have taken effect all the same.
    """

    status: Literal["succeeded", "failed"]
    text: str
    duration_ms: int
    result: Any = None
    error: CallError | None = None
    is_mendable: bool = False
    is_untrusted: bool = False
    is_unknown: bool = False
    was_cut: bool = False
    pages: tuple[WebPage, ...] = ()
    form: FormShown | None = None
    trace: dict[str, Any] = field(default_factory=dict[str, Any])


class ToolRunner:
    """Calls the tools of one organization."""

    def __init__(self, ports: Ports, organization_id: OrganizationId) -> None:
        self._ports, self._organization_id = ports, organization_id

    def check(self, tool: ActiveTool, arguments: str | dict[str, Any]) -> dict[str, Any]:
        """The arguments, as the model wrote them or read already, if they fit the tool.

        Raises:
            ToolFailed: they do not; the model may mend it.
        """
        read = read_arguments(arguments) if isinstance(arguments, str) else arguments
        check_arguments(read, tool.parameters)
        if not tool.kind.takes_own_parameters:
            check_arguments(read, tool.kind.parameters(tool.config))
        return read

    async def call(
        self, tool: ActiveTool, arguments: str | dict[str, Any], occasion: Occasion
    ) -> Outcome:
        """Call the tool, whatever the arguments. Only cancelling leaves it without an outcome."""
        began = time.perf_counter()
        try:
            fitting = self.check(tool, arguments)
            await self._limit(tool, occasion)
            async with asyncio.timeout(tool.timeout_s):
                result = await tool.kind.call(tool.config, fitting, self._context(tool, occasion))
            outcome = _succeeded(result, tool)
        except ToolFailed as failure:
            outcome = _failed(failure, tool)
        except TimeoutError:
            late = ToolFailed("tool_timed_out", f"No answer within {tool.timeout_s:g} s.")
            outcome = _failed(late, tool)
        except Problem as problem:
            outcome = _failed(ToolFailed(type(problem).code(), str(problem)), tool)
        except Exception:
            log.exception("tool_broke", tool_id=tool.id, kind=tool.type)
            outcome = _failed(ToolFailed("tool_broke", "The tool failed on our side."), tool)
        return replace(outcome, duration_ms=round((time.perf_counter() - began) * 1000))

    async def _limit(self, tool: ActiveTool, occasion: Occasion) -> None:
        """Let no conversation drive a tool that changes something faster than a person would."""
        if occasion.conversation_id is None or not tool.has_side_effects:
            return
        key = f"tool:{self._organization_id}:{occasion.conversation_id}:{tool.id}"
        decision = await self._ports.limiter.take(key, EFFECTS)
        if not decision.allowed:
            raise ToolFailed("too_many_calls", "This conversation has used the tool too often.")

    def _context(self, tool: ActiveTool, occasion: Occasion) -> CallContext:
        return CallContext(
            ports=self._ports,
            organization_id=self._organization_id,
            agent_id=occasion.agent_id,
            tool_id=tool.id,
            tool_name=tool.name,
            key=occasion.key,
            run_id=occasion.run_id,
            conversation_id=occasion.conversation_id,
            message_id=occasion.message_id,
            visitor_id=occasion.visitor_id,
            language=occasion.language,
            timeout_s=tool.timeout_s,
            secrets=tool.secrets,
        )


def _succeeded(result: ToolResult, tool: ActiveTool) -> Outcome:
    # A server that echoes the request would otherwise hand our own secret to the model.
    content = redacted(plain(result.content), tool.secrets)
    value, text, was_cut = bounded(content)
    return Outcome(
        status="succeeded",
        text=text,
        duration_ms=0,
        result=value,
        is_untrusted=result.is_untrusted,
        was_cut=was_cut,
        pages=tuple(_redacted_page(page, tool.secrets) for page in result.pages),
        form=result.form,
        trace=redacted(plain(result.trace), tool.secrets),
    )


def _redacted_page(page: WebPage, secrets: Mapping[str, str]) -> WebPage:
    return WebPage(*(redacted(text, secrets) for text in (page.title, page.url, page.snippet)))


def _failed(failure: ToolFailed, tool: ActiveTool) -> Outcome:
    detail = redacted(clean(failure.detail), tool.secrets)[:MAX_DETAIL_CHARS]
    return Outcome(
        status="failed",
        text=f"{failure.code}: {detail}",
        duration_ms=0,
        error=CallError(failure.code, detail),
        is_mendable=failure.is_mendable,
        is_unknown=tool.has_side_effects and failure.code in AFTER_SENDING,
        is_untrusted=True,  # what another server said may be in it
        trace=redacted(plain(failure.trace), tool.secrets),
    )
