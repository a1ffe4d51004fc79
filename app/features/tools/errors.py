"""What can be wrong with a request about tools."""

from app.core.errors import Conflict, InvalidRequest, NotFound


class ToolNotFound(NotFound):
    """There is no such tool in this agent."""


class ToolNameTaken(Conflict):
    """Another tool of the agent has that name."""


class ToolLimitReached(Conflict):
    """The agent has as many tools as it may have."""


class ToolChangedMeanwhile(Conflict):
    """The tool was changed by others meanwhile."""


class ToolConfigInvalid(InvalidRequest):
    """The tool's configuration is not valid."""
