"""The kinds of tools: one file a kind."""

from typing import Any

from app.core.registry import Registry, load
from app.features.tools.kinds.kind import ToolKind

KINDS: Registry[ToolKind[Any]] = Registry(
    "tool kind",
    load(
        __name__,
        "KIND",
        (
            "calculator",
            "form",
            "http",
            "lead_capture",
            "search",
            "webhook",
        ),
    ),
)
