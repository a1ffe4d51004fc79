"""What can be wrong with a request about conversations."""

from app.core.errors import NotFound


class ConversationNotFound(NotFound):
    """There is no such conversation in this organization."""
