"""What a call is told whose arguments cannot be sent."""

from app.features.tools.kinds.kind import ToolFailed


def unfit(detail: str) -> ToolFailed:
    """An argument that cannot stand where its placeholder does."""
    return ToolFailed("invalid_arguments", detail, is_mendable=True)
