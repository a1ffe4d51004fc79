"""The calls of a run, as they are read from the model and told to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from app.core.ids import new_id
from app.core.strict_json import JsonRefused, read_json
from app.features.chat.events import PageSource
from app.features.chat.prompt import untrusted
from app.features.chat.toolbox import Tool, Toolbox
from app.features.tools.kinds.kind import ToolFailed
from app.features.tools.runner import CallError, Outcome
from app.ports.llm import ToolCall

MAX_SENT_CHARS = 32_768
MAX_NAME_CHARS = 64
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that the model wants made, under an id of our own.

    `sent` is what goes back to the model: always JSON, of a bounded size, with an id that no other
    call of the run has. With a `refusal` it is not made.
    """

    id: str
    sent: ToolCall
    tool: Tool | None
    arguments: dict[str, Any]
    refusal: CallError | None = None
    is_mendable: bool = False
    is_approved: bool = False
    note: str = ""
    # The destinations that neither the visitor nor the owner has named.
    unsaid: tuple[str, ...] = ()

    @property
    def needs_approval(self) -> bool:
        """Whether a person has to decide before it may be made."""
        if self.tool is None or self.refusal is not None:
            return False
        return self.tool.needs_approval and not self.is_approved

    @property
    def name(self) -> str:
        """The tool's name, or what the model took for one."""
        return self.sent.name

    @property
    def sameness(self) -> str:
        """Equal for calls of the same tool with the same arguments."""
        return self.name + orjson.dumps(self.arguments, option=orjson.OPT_SORT_KEYS).decode()

    def refused(self, code: str, detail: str, *, is_mendable: bool = False) -> "Call":
        """The call as one that is not made, and why."""
        return replace(self, refusal=CallError(code, detail), is_mendable=is_mendable)


def read_call(
    wanted: ToolCall, tools: Mapping[str, Tool], toolbox: Toolbox, *, taken_ids: set[str]
) -> Call:
    """The call if its tool is there and the arguments fit; else refused, for the model to mend."""
    call = Call(id=new_id(), sent=_sent(wanted, taken_ids), tool=None, arguments={})
    tool = tools.get(wanted.name)
    if tool is None:
        known = ", ".join(tools) or "none"
        return call.refused(
            "unknown_tool", f"There is no tool of that name. There are: {known}.", is_mendable=True
        )
    try:
        arguments = toolbox.check(tool, wanted.arguments)
    except ToolFailed as failure:
        call = replace(call, tool=tool, arguments=_object(wanted.arguments) or {})
        return call.refused(failure.code, failure.detail, is_mendable=True)
    return replace(call, tool=tool, arguments=arguments)


def _sent(wanted: ToolCall, taken_ids: set[str]) -> ToolCall:
    # Some servers number the calls of each answer anew, and some read the arguments back.
    call_id = wanted.id if wanted.id not in taken_ids else f"call_{new_id()}"
    taken_ids.add(call_id)
    return replace(
        wanted,
        id=call_id,
        name=_NOT_IN_NAME.sub("_", wanted.name)[:MAX_NAME_CHARS],
        arguments="{}" if _object(wanted.arguments) is None else wanted.arguments,
    )


def _object(text: str) -> dict[str, Any] | None:
    if len(text) > MAX_SENT_CHARS:
        return None
    try:
        # Strictly: it is kept with the message, and the database holds no NUL.
        value = read_json(text.encode("utf-8", "replace"), is_foreign=True)
    except JsonRefused:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def refusal_of(call: Call) -> Outcome:
    """The outcome of a call that is not made."""
    error = call.refusal or CallError("refused", "The call was not made.")
    return failed(error.code, error.detail, is_mendable=call.is_mendable)


def failed(code: str, detail: str, *, is_mendable: bool = False) -> Outcome:
    """The outcome of a call that brought nothing."""
    return Outcome(
        status="failed",
        text=f"{code}: {detail}",
        duration_ms=0,
        error=CallError(code, detail),
        is_mendable=is_mendable,
    )


def told(outcome: Outcome, sources: list[PageSource], *, note: str = "") -> str:
    """The result as the model reads it; what came from outside is marked as data."""
    return note + _told(outcome, sources)


def _told(outcome: Outcome, sources: list[PageSource]) -> str:
    if outcome.status == "failed":
        return _told_failure(outcome)
    text = untrusted(outcome.text) if outcome.is_untrusted else outcome.text
    if not sources:
        return text
    cited = "\n".join(f"[{source.index}] {untrusted_line(source.page.url)}" for source in sources)
    return f"{text}\nCite a page that you use by its number:\n{cited}"


def _told_failure(outcome: Outcome) -> str:
    error = outcome.error
    if error is None or not outcome.is_untrusted:
        return f"The call failed. {outcome.text}"
    # Only the code is ours: the detail may hold what another server said.
    return f"The call failed. {error.code}:\n{untrusted(error.detail)}"


def untrusted_line(text: str) -> str:
    """A short text from outside, in one line and without our marks."""
    return " ".join(text.split())[:500].replace("<", "‹")
