"""The tools of one agent, as a run uses them."""

from typing import Any, Protocol

from app.features.tools.kinds.kind import Risk
from app.features.tools.runner import Occasion, Outcome
from app.ports.llm import ToolSpec


class Tool(Protocol):
    """A tool that the agent may use now."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def spec(self) -> ToolSpec: ...
    @property
    def needs_approval(self) -> bool: ...
    @property
    def has_side_effects(self) -> bool: ...
    @property
    def risk(self) -> Risk: ...
    @property
    def configured(self) -> str: ...


class Toolbox(Protocol):
    """The one way in which tools are called (`tools/runner.py`)."""

    def check(self, tool: Any, arguments: str | dict[str, Any]) -> dict[str, Any]:
        """The arguments if they fit the tool.

        Raises:
            ToolFailed: they do not; the model may mend it.
        """
        ...

    async def call(self, tool: Any, arguments: str | dict[str, Any], occasion: Occasion) -> Outcome:
        """Call the tool, whatever the arguments. Only cancelling leaves it without an outcome."""
        ...
