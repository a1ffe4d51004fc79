"""What can be wrong with a request about conversations."""

from app.core.errors import Conflict, Forbidden, InvalidRequest, NotFound, PreconditionFailed


class ConversationNotFound(NotFound):
    """There is no such conversation in this organization."""


class ConversationVersionMismatch(PreconditionFailed):
    """The conversation has changed since you read it."""


class MessageNotFound(NotFound):
    """The conversation has no such message."""


class NotAnAnswer(InvalidRequest):
    """Only answers can be rated."""


class HandoffRefused(Forbidden):
    """Visitors cannot ask this agent for a person."""


class NoHandoff(Conflict):
    """No person is asked for in this conversation."""


class HandoffAlreadyTaken(Conflict):
    """Somebody else has taken the conversation over."""


class VisitorsOnlyAskForThemselves(InvalidRequest):
    """A widget session may ask for a person as the customer only."""
