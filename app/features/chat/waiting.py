"""A turn whose calls wait for a person, as it is written down: enough to go on anywhere."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from app.features.chat.allowance import Allowance
from app.features.chat.calls import Call
from app.features.chat.destinations.guard import Destinations
from app.features.chat.dialogue import Dialogue
from app.features.chat.purse import Purse, PurseState
from app.ports.llm import ChatRequest, Message, Models, ResolvedModel, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCall:
    """One of the turn's calls; `told` is its result, None while a person has to decide."""

    id: str
    sent: ToolCall
    told: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTurn:
    """What the model was given to read, what it may still ask, and what it waits for."""

    model_id: str
    language: str
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    system: Message
    history: list[Message]
    question: Message
    said: list[Message]
    is_shortened: bool
    allowance: Allowance
    next_index: int
    refusals_shown: int
    taken_ids: list[str]
    calls: list[WaitingCall]
    visitor_id: str | None
    destinations: Destinations
    purse: PurseState | None = None
    fallback_ids: list[str] = field(default_factory=list[str])

    @property
    def written(self) -> dict[str, Any]:
        """The turn as JSON."""
        return _ADAPTER.dump_python(self, mode="json")

    @staticmethod
    def read(written: dict[str, Any]) -> "WaitingTurn":
        """The turn that was written down."""
        return _ADAPTER.validate_python(written)

    def dialogue(
        self, models: Models, purse: Purse | None, fallbacks: list[ResolvedModel]
    ) -> Dialogue:
        """What the model goes on reading.

        Raises:
            ProviderNotConfigured, UnknownModel: it cannot be asked any more.
        """
        model = models.usable(self.model_id)
        return Dialogue(
            model=model,
            fallbacks=fallbacks,
            base=ChatRequest(
                model=model.model,
                messages=(),
                question=self.question.content,
                language=self.language,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                top_p=self.top_p,
            ),
            system=self.system,
            history=self.history,
            question=self.question,
            said=self.said,
            is_shortened=self.is_shortened,
            purse=purse,
        )


_ADAPTER = TypeAdapter(WaitingTurn)


def waiting_call(call: Call, told: str | None) -> WaitingCall:
    """The call as it waits, or as it was answered already."""
    return WaitingCall(id=call.id, sent=call.sent, told=told)
