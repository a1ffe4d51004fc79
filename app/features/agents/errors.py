"""What can be wrong with a request about agents."""

from app.core.errors import InvalidRequest, NotFound, PreconditionFailed


class AgentNotFound(NotFound):
    """There is no such agent in this organization."""


class AgentVersionNotFound(NotFound):
    """The agent has no such version."""


class AgentVersionMismatch(PreconditionFailed):
    """The agent has changed since you read it."""


class UnknownKnowledgeBases(InvalidRequest):
    """Some of the knowledge bases do not exist in this organization."""
