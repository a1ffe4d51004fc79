"""Tools for a run: what they do is scripted, what was done with them is written down."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.core.ids import RunId, new_id
from app.features.agents.rules import Guardrails
from app.features.agents.schemas import Agent
from app.features.chat.calls import failed
from app.features.chat.events import Answer, ToolNews, TurnEvent, Written
from app.features.chat.hands import Hands
from app.features.chat.records import RunIds
from app.features.chat.turn import TurnPlan, turn
from app.features.tools.kinds.kind import ToolFailed
from app.features.tools.runner import Outcome
from app.ports.llm import Message, Provider, ResolvedModel, ToolSpec

SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string"}},
    "required": ["q"],
    "additionalProperties": False,
}
ID_FIELDS = ("organization_id", "run_id", "agent_id", "conversation_id", "message_id")
Action = Callable[[dict[str, Any]], Awaitable[Outcome]]


def brought(result: Any, **fields: Any) -> Outcome:
    return Outcome(status="succeeded", text=str(result), duration_ms=1, result=result, **fields)


async def echo(arguments: dict[str, Any]) -> Outcome:
    return brought({"found": arguments["q"]})


async def for_ever(arguments: dict[str, Any]) -> Outcome:
    await asyncio.sleep(3600)
    return brought(None)


async def breaks(arguments: dict[str, Any]) -> Outcome:
    return failed("out_of_order", "The machine is broken.")


@dataclass
class Gadget:
    """A tool of an agent."""

    name: str
    act: Action = echo
    has_side_effects: bool = False
    needs_approval: bool = False
    type: str = "gadget"
    id: str = field(default_factory=new_id)
    revision: int = 1

    configured: str = "{}"

    @property
    def risk(self) -> str:
        if self.needs_approval:
            return "approval_required"
        return "write" if self.has_side_effects else "read"

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, f"Does {self.name}.", SCHEMA)


@dataclass
class Toolkit:
    """Gadgets and how they were used: name, arguments and key of each call."""

    gadgets: list[Gadget]
    used: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    def check(self, tool: Gadget, arguments: str | dict[str, Any]) -> dict[str, Any]:
        """As the room of tools does it, with the one schema that gadgets have."""
        read = read_arguments(arguments) if isinstance(arguments, str) else arguments
        if set(read) != {"q"} or not isinstance(read["q"], str):
            raise ToolFailed("invalid_arguments", "q: a string is required", is_mendable=True)
        return read

    async def call(self, tool: Gadget, arguments: Any, occasion: Any) -> Outcome:
        self.used.append((tool.name, arguments, occasion.key))
        return await tool.act(arguments)


def read_arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise ToolFailed("invalid_arguments", "not JSON", is_mendable=True) from None
    if len(text) > 65_536 or not isinstance(value, dict):
        raise ToolFailed("invalid_arguments", "not an object", is_mendable=True)
    return value


@dataclass
class Notebook:
    """A ledger in memory."""

    rows: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)

    async def begin(self, call: dict[str, Any]) -> str:
        if call["id"] in self.rows:
            return "repeated"
        self._note(call["id"], "begun")
        return "begun"

    async def end(self, call_id: str, status: str, *, facts: list[Any], **_: Any) -> None:
        self._note(call_id, status)
        self.facts += facts

    def _note(self, call_id: str, status: str) -> None:
        self.rows[call_id] = status
        self.notes.append((call_id, status))


def some_ids() -> RunIds:
    return RunIds(**{name: RunId(new_id()) for name in ID_FIELDS})


def an_agent_record(**guardrails: Any) -> Agent:
    example = Agent.model_config["json_schema_extra"]["examples"][0]
    limits = Guardrails(**guardrails)
    return Agent.model_validate(example | {"knowledge_base_ids": [], "guardrails": limits})


@dataclass
class Bench:
    """One run over a provider, with a toolkit."""

    provider: Provider
    kit: Toolkit
    notebook: Notebook = field(default_factory=Notebook)
    history: list[Message] = field(default_factory=list)
    guardrails: dict[str, Any] = field(default_factory=dict)

    def hands(self) -> Hands:
        return Hands(
            self.kit,
            self.kit.gadgets,
            self.notebook,
            some_ids(),
            visitor_id=None,
            language="pt-BR",
        )

    def plan(self) -> TurnPlan:
        return TurnPlan(
            conversation_id=new_id(),
            agent=an_agent_record(**self.guardrails),
            model=ResolvedModel(self.provider, "test"),
            instructions=["Você é a Ana."],
            history=self.history,
            question="Tem?",
            context_data=None,
            temperature=0.3,
            max_tokens=500,
            on_disconnect="continue",
            hands=self.hands(),
        )

    async def events(self) -> list[TurnEvent]:
        return [event async for event in turn(self.plan(), None)]


def text_of(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Answer))


def news_in(events: list[TurnEvent]) -> list[ToolNews]:
    return [event for event in events if isinstance(event, ToolNews)]


def reason_of(events: list[TurnEvent]) -> str:
    assert isinstance(events[-1], Written)
    return events[-1].finish_reason
