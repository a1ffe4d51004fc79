"""What a fact is made of."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.core.ids import new_id


class EventData(BaseModel):
    """The payload of a fact; each kind derives its own."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class EventKind:
    """One type of event as the registry lists it, with an example for the docs.

    One that is not `is_delivered` is seen on the dashboard and in the history only.
    """

    name: str
    description: str
    example: EventData
    is_kept: bool = True
    """Whether it has a number, is listed and delivered; if not, open streams are told of it."""
    is_delivered: bool = True
    """Whether webhooks are told of it; if not, the dashboard and the history only."""

    @property
    def is_for_webhooks(self) -> bool:
        """Whether a webhook can ask for it."""
        return self.is_kept and self.is_delivered

    def of(
        self, data: EventData, *, agent_id: str | None = None, event_id: str | None = None
    ) -> dict[str, Any]:
        """The fact as the database takes it; it counts once its transaction has committed.

        `event_id` is given where the same fact may be written again, to be announced once.
        """
        if type(data) is not type(self.example):
            raise TypeError(f"{self.name} carries {type(self.example).__name__}")
        return {
            "id": event_id or new_id(),
            "type": self.name,
            "agent_id": agent_id,
            "data": data.model_dump(mode="json"),
        }
