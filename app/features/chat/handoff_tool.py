"""`request_human`: a function that is offered to the model beside the agent's own tools."""

from typing import Any, get_args

from app.features.chat.toolbox import Tool, Toolbox
from app.features.conversations.schemas import HandoffReason
from app.features.tools.argument_schema import check_arguments, read_arguments
from app.features.tools.kinds.kind import Risk
from app.features.tools.runner import Occasion, Outcome
from app.ports.llm import ToolSpec

HANDOFF_TYPE = "handoff"
NAME = "request_human"
MAX_SUMMARY_CHARS = 2000
DESCRIPTION = (
    "Hand this conversation over to a person of the team. Use it when the user wants a person, or"
    " when you cannot or may not help and a person could. You are silent after this answer."
)
ASKED = (
    "A person was asked for and will continue in this conversation. Tell the user so in one or two"
    " sentences, without promising when. Call nothing else."
)
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {
            "type": "string",
            "enum": list(get_args(HandoffReason)),
            "description": "Why a person is needed.",
        },
        "summary": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_SUMMARY_CHARS,
            "description": "For that person: what the user wants, what is known, what was tried.",
        },
    },
    "required": ["reason", "summary"],
    "additionalProperties": False,
}


class HandoffTool:
    """The function as a run sees it."""

    id = NAME
    revision = 1
    name = NAME
    type = HANDOFF_TYPE
    spec = ToolSpec(NAME, DESCRIPTION, PARAMETERS)
    needs_approval = False
    has_side_effects = False
    risk: Risk = "read"
    configured = "{}"


class HandoffToolbox:
    """A toolbox that has this function beside the tools of another."""

    def __init__(self, others: Toolbox) -> None:
        self._others = others

    def check(self, tool: Tool, arguments: str | dict[str, Any]) -> dict[str, Any]:
        """The arguments if they fit the tool.

        Raises:
            ToolFailed: they do not; the model may mend it.
        """
        if not isinstance(tool, HandoffTool):
            return self._others.check(tool, arguments)
        read = read_arguments(arguments) if isinstance(arguments, str) else arguments
        check_arguments(read, PARAMETERS)
        return read

    async def call(
        self, tool: Tool, arguments: str | dict[str, Any], occasion: Occasion
    ) -> Outcome:
        """Call the tool; a person is asked for when the answer ends (`handing_over.py`)."""
        if not isinstance(tool, HandoffTool):
            return await self._others.call(tool, arguments, occasion)
        return Outcome(
            status="succeeded", text=ASKED, duration_ms=0, result={"status": "human_requested"}
        )
