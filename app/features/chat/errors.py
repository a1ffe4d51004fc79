"""What can go wrong with a chat."""

from app.core.errors import Conflict, InvalidRequest, NotFound, Problem, ServiceUnavailable


class AgentInactive(Conflict):
    """The agent is switched off."""


class RunNotFound(NotFound):
    """The agent has no such run."""


class RunExpired(Problem):
    """The run ended too long ago to be streamed again."""

    status = 410


class UnknownEventId(InvalidRequest):
    """The run has not streamed an event of that number yet."""


class IdempotencyKeyReused(InvalidRequest):
    """The idempotency key belongs to a different request."""


class RunTooLong(Problem):
    """The answer took longer than the agent's limit."""

    status = 504
    retryable = True


class RunInterrupted(ServiceUnavailable):
    """The answer was ended from outside before it was whole."""


class RunDeleted(Conflict):
    """The conversation was deleted while its answer was written."""


class ServerStopping(ServiceUnavailable):
    """This process is being stopped; ask again."""


class ClientLeft(Problem):
    """The client left before the answer was whole."""

    status = 499


class AnswerNotKept(ServiceUnavailable):
    """The answer was written but could not be stored."""
