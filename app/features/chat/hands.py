"""Makes the calls of one run: several at once, and what takes effect outside only once."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
import structlog

from app.core import spans
from app.core.errors import Problem
from app.features.agents.rules import HandoffRules
from app.features.chat.call_facts import failure_fact
from app.features.chat.calls import Call, failed, read_call
from app.features.chat.ledger import CallEnd, Ledger
from app.features.chat.records import RunIds
from app.features.chat.toolbox import Tool, Toolbox
from app.features.chat.wait_repository import DecidedCall
from app.features.tools.kinds.kind import ToolFailed
from app.features.tools.runner import Occasion, Outcome
from app.ports.llm import ToolCall, ToolSpec

# A call that is cut must not keep a cancelled run from ending.
NOTE_WITHIN_S = 3.0
OUTCOME_UNKNOWN = failed(
    "outcome_unknown", "It is not known whether this took effect. Do not try it again."
)
CHANGED = (
    "There is no such tool any more: it was changed or removed after this call was asked for."
    " The call was not made."
)
DENIED = "A person has declined this call. Do not ask for it again; tell the user so."
log = structlog.get_logger(__name__)


class Hands:
    """The tools of one agent, used for one run."""

    def __init__(
        self,
        toolbox: Toolbox,
        tools: Sequence[Tool],
        ledger: Ledger,
        ids: RunIds,
        *,
        visitor_id: str | None,
        language: str,
        handoff: HandoffRules | None = None,
    ) -> None:
        self.handoff = handoff or HandoffRules()
        self._toolbox, self._ledger, self.ids = toolbox, ledger, ids
        self._tools = {tool.name: tool for tool in tools}
        self.visitor_id, self._language = visitor_id, language
        self.tools = tuple(tools)
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in tools)

    def read(self, wanted: Sequence[ToolCall], taken_ids: set[str]) -> list[Call]:
        """The calls as the model wrote them, each fit to be made or refused."""
        return [read_call(call, self._tools, self._toolbox, taken_ids=taken_ids) for call in wanted]

    def decided(self, call_id: str, sent: ToolCall, decided: Mapping[str, DecidedCall]) -> Call:
        """A call on which a person has decided: to be made as approved, or refused."""
        call = Call(id=call_id, sent=sent, tool=self._tools.get(sent.name), arguments={})
        row = decided.get(call_id)
        if row is None:
            return call
        if not row.is_of(call.tool):
            return replace(call, arguments=row.arguments).refused("tool_changed", CHANGED)
        call = replace(call, arguments=row.arguments, is_approved=row.status == "approved")
        if not call.is_approved:
            return call.refused("denied", DENIED)
        if call.tool is None:
            return call.refused("unknown_tool", "There is no such tool any more.")
        try:
            self._toolbox.check(call.tool, row.arguments)
        except ToolFailed as failure:
            return call.refused(failure.code, failure.detail, is_mendable=True)
        return replace(call, note=_changed(sent, row.arguments))

    def row_of(self, call: Call) -> dict[str, Any]:
        """The call as the ledger notes it."""
        return {
            "id": call.id,
            "tool_id": None if call.tool is None else call.tool.id,
            "name": call.name,
            "tool_revision": None if call.tool is None else call.tool.revision,
            "type": None if call.tool is None else call.tool.type,
            "arguments": call.arguments,
            "unsaid_destinations": call.unsaid,
        }

    async def make(self, calls: Sequence[Call]) -> AsyncGenerator[tuple[Call, Outcome]]:
        """Make the calls together; each comes with its outcome as soon as it has one.

        Closing the generator cuts what is under way; what may have taken effect is noted as
        `unknown`.
        """
        under_way = {asyncio.ensure_future(self._made(call)): call for call in calls}
        try:
            while under_way:
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield under_way.pop(task), task.result()
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.wait(under_way)

    async def _made(self, call: Call) -> Outcome:
        about = {"gen_ai.tool.call.id": call.id, "gen_ai.tool.type": "function"}
        with spans.tool_span(call.name, about) as span:
            outcome = await self._tried(call)
            if outcome.error is not None:
                spans.failed(span, outcome.error.code)
            return outcome

    async def _tried(self, call: Call) -> Outcome:
        tool = call.tool
        try:
            if tool is None:
                return failed("unknown_tool", "There is no such tool any more.")
            if is_recorded(tool):
                return await self._once(call, tool)
            return await self._call(call, tool)
        except Problem as problem:
            return failed(type(problem).code(), "The call was not made; it may be tried later.")
        except Exception:
            log.exception("tool_call_crashed", run_id=self.ids.run_id, call_id=call.id)
            return failed("tool_broke", "The tool failed on our side.")

    async def _once(self, call: Call, tool: Tool) -> Outcome:
        match await self._ledger.begin(self.row_of(call)):
            case "repeated":
                return OUTCOME_UNKNOWN
            case "ended":
                return failed("run_ended", "The answer was ended from outside.")
            case "begun":
                pass
        try:
            outcome = await self._call(call, tool)
        except BaseException:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTE_WITHIN_S):
                    await self._note(call, "unknown", OUTCOME_UNKNOWN)
            raise
        await self._note(call, "unknown" if outcome.is_unknown else outcome.status, outcome)
        if outcome.is_unknown:
            return replace(OUTCOME_UNKNOWN, duration_ms=outcome.duration_ms)
        return outcome

    async def _note(self, call: Call, status: CallEnd, outcome: Outcome) -> None:
        fact = failure_fact(self.ids, call, outcome)
        error = outcome.error and {"code": outcome.error.code, "detail": outcome.error.detail}
        try:
            await self._ledger.end(
                call.id, status, result=outcome.result, error=error, facts=[fact] if fact else []
            )
        except Problem as problem:
            # It stays `begun`, which becomes `unknown` with the end of the run.
            log.warning("tool_call_not_noted", call_id=call.id, code=type(problem).code())

    async def _call(self, call: Call, tool: Tool) -> Outcome:
        occasion = Occasion(
            agent_id=self.ids.agent_id,
            key=f"{self.ids.run_id}:{call.id}",
            run_id=self.ids.run_id,
            conversation_id=self.ids.conversation_id,
            message_id=self.ids.message_id,
            visitor_id=self.visitor_id,
            language=self._language,
        )
        outcome = await self._toolbox.call(tool, call.arguments, occasion)
        log.info(
            "tool_called",
            run_id=self.ids.run_id,
            call_id=call.id,
            tool_id=tool.id,
            type=tool.type,
            status=outcome.status,
            code=outcome.error and outcome.error.code,
            duration_ms=outcome.duration_ms,
        )
        return outcome


def is_recorded(tool: Tool) -> bool:
    """Whether its calls are noted before they are made."""
    return tool.has_side_effects or tool.needs_approval


def _changed(sent: ToolCall, arguments: dict[str, Any]) -> str:
    if orjson.loads(sent.arguments) == arguments:
        return ""
    made = orjson.dumps(arguments).decode()
    return f"A person changed the arguments before the call was made, to {made}. The result:\n"
