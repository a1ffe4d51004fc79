"""What can be wrong with a request about events."""

from app.core.errors import Problem, Unauthorized


class InvalidTicket(Unauthorized):
    """The ticket is unknown, used or expired."""


class HistoryGone(Problem):
    """The events after that number are kept no longer."""

    status = 410
