"""What can go wrong with settings."""

from app.core.errors import PreconditionFailed


class SettingsVersionMismatch(PreconditionFailed):
    """The settings have changed since you read them."""
