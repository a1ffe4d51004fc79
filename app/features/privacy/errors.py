"""What can go wrong with a person's rights."""

from app.core.errors import NotFound


class PersonNotFound(NotFound):
    """Nothing is kept of such a person in this organization."""


class ErasureNotFound(NotFound):
    """There is no such receipt in this organization."""
