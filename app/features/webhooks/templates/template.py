"""What a template is: another body than the event's own, as somebody else's interface wants it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
"""`{type, timestamp, data}`, as Standard Webhooks has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A way to forward events; `body` takes only those that are listed."""

    name: str
    description: str
    url: str
    """What the address looks like."""
    events: tuple[str, ...]
    body: Callable[[Event], dict[str, Any]]
