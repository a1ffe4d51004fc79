"""What can go wrong with a chat."""

from app.core.errors import Conflict, Problem, ServiceUnavailable


class AgentInactive(Conflict):
    """The agent is switched off."""


class RunTooLong(Problem):
    """The answer took longer than the agent's limit."""

    status = 504
    retryable = True


class RunInterrupted(ServiceUnavailable):
    """The answer was ended from outside before it was whole."""


class ServerStopping(ServiceUnavailable):
    """This process is being stopped; ask again."""


class AnswerNotKept(ServiceUnavailable):
    """The answer was written but could not be stored."""
