"""What a conversation gives of a lead, a piece at a time, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.core.ids import AgentId, ConversationId, RunId, new_id
from app.core.schemas import rfc3339

OnDuplicate = Literal["update", "ignore"]
DETAILS = ("name", "email", "phone", "document", "company")
"""Values of these names are details of every lead; others are an organization's own fields."""
CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One call: checked values by name, whether consent was given, and what makes a lead complete.

    `consent` None says nothing of it; False takes back what was given before. It counts where the
    conversation shows that the visitor saw its text and answered: in a message of the assistant
    with a message of theirs after it, or beside a box that they ticked in a form.
    """

    key: str
    agent_id: AgentId
    conversation_id: ConversationId
    run_id: RunId | None
    visitor_id: str | None
    given: Mapping[str, str]
    required: tuple[str, ...]
    consent: bool | None
    consent_text: str | None
    on_duplicate: OnDuplicate
    at: datetime

    def row(self) -> dict[str, Any]:
        """The call as the database takes it."""
        agreed = {
            "text": self.consent_text,
            "given_at": rfc3339(self.at),
            "conversation_id": self.conversation_id,
            "run_id": self.run_id,
        }
        return {
            "key": self.key,
            "id": new_id(),
            "agent_id": self.agent_id,
            "conversation_id": self.conversation_id,
            "run_id": self.run_id,
            "visitor_id": self.visitor_id,
            "given": dict(self.given),
            "required": list(self.required),
            "consent_text": self.consent_text,
            "consent": agreed if self.consent and self.consent_text else None,
            "refused_at": rfc3339(self.at) if self.consent is False else None,
            "on_duplicate": self.on_duplicate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """Where a conversation's lead stands: which names are known, which are missing.

    Consent alone makes no lead: `lead_id` is null until a first detail is given. `duplicate` tells
    what was done with the lead that the same person already was, if so.
    """

    lead_id: str | None
    known: tuple[str, ...]
    missing: tuple[str, ...]
    duplicate: Literal["updated", "ignored"] | None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Captured":
        """What the database has answered."""
        return cls(
            lead_id=result["lead_id"],
            known=tuple(result["known"]),
            missing=tuple(result["missing"]),
            duplicate=result["duplicate"],
        )
