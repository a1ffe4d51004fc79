"""Events and pages of them, as the database gives them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.ids import OrganizationId


@dataclass(frozen=True)
class EventFilter:
    """Which events somebody wants; None is all of them."""

    types: frozenset[str] | None = None
    agent_id: str | None = None
    conversation_id: str | None = None

    def passes(
        self, type_: str, agent_id: str | None, conversation_id: object | None = None
    ) -> bool:
        """Whether an event is among them."""
        is_type = self.types is None or type_ in self.types
        is_agent = self.agent_id is None or self.agent_id == agent_id
        is_conversation = self.conversation_id in (None, conversation_id)
        return is_type and is_agent and is_conversation

    def has(self, event: "StoredEvent") -> bool:
        """Whether this one is."""
        return self.passes(event.type, event.agent_id, event.data.get("conversation_id"))

    @property
    def listed_types(self) -> list[str] | None:
        return None if self.types is None else sorted(self.types)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams may be open at once; None is any number."""

    per_caller: int | None = None
    per_organization: int | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A fact with its number among the organization's."""

    number: int
    id: str
    type: str
    agent_id: str | None
    data: dict[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """A page of history, oldest first, for a stream."""

    events: list[StoredEvent]
    start: int
    """The number after which it begins; not the one asked for where history has no such place."""
    last: int
    """How far it reaches; events up to here that are not in it do not pass the filter."""
    head: int
    """The newest number at that moment."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What some organizations' events are after a number of the service."""

    events: dict[OrganizationId, list[StoredEvent]]
    last: int
    """The service's number to go on from."""
    is_full: bool
    """Whether there may be more already."""
