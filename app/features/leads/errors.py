"""What can be wrong with a request about leads."""

from app.core.errors import Conflict, NotFound


class LeadNotFound(NotFound):
    """There is no such lead in this organization."""


class LeadAlreadyExists(Conflict):
    """Another lead has the same e-mail, telephone or document."""
