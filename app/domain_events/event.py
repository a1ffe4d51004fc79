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
    """One type of event as the registry lists it, with an example for the docs."""

    name: str
    description: str
    example: EventData

    def of(self, data: EventData, *, agent_id: str | None = None) -> dict[str, Any]:
        """The fact as the database takes it; it counts once its transaction has committed."""
        if type(data) is not type(self.example):
            raise TypeError(f"{self.name} carries {type(self.example).__name__}")
        return {
            "id": new_id(),
            "type": self.name,
            "agent_id": agent_id,
            "data": data.model_dump(mode="json"),
        }
