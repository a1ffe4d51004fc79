"""One turn: look up, ask the model, use tools, pass its text on. One path for every client."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from app.features.agents.schemas import Agent
from app.features.chat.allowance import Allowance
from app.features.chat.asking import answer
from app.features.chat.destinations.guard import destinations_of
from app.features.chat.dialogue import Dialogue
from app.features.chat.events import Answer, Progress, Source, TurnEvent, Written
from app.features.chat.handoff import HandoffAsked
from app.features.chat.hands import Hands
from app.features.chat.last_words import last_words
from app.features.chat.prompt import passages, system_message
from app.features.chat.purse import Purse
from app.features.chat.reply import Reply
from app.features.chat.schemas import OnDisconnect
from app.features.chat.terms import RunTerms
from app.features.chat.tool_use import ToolUse
from app.features.knowledge.service import KnowledgeService
from app.ports.llm import ChatRequest, Message, ResolvedModel

SEARCH_CHARS = 2000
MAX_STEPS = "max_steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPlan:
    """All that a turn needs to know before it begins."""

    conversation_id: str
    agent: Agent
    model: ResolvedModel
    fallbacks: list[ResolvedModel] = field(default_factory=list[ResolvedModel])
    instructions: list[str]
    history: list[Message]
    question: str
    context_data: dict[str, Any] | None
    temperature: float
    max_tokens: int
    on_disconnect: OnDisconnect
    earlier_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    hands: Hands | None = None
    purse: Purse | None = None
    unanswered: int = 0
    handover: HandoffAsked | None = None
    """Set where the model is not asked at all."""

    @property
    def terms(self) -> RunTerms:
        """What holds for the run."""
        return RunTerms(
            model=self.model.model,
            provider=self.model.provider.name,
            temperature=self.temperature,
            max_run_s=self.agent.guardrails.max_run_seconds,
            on_disconnect=self.on_disconnect,
            price=self.model.price,
        )


async def turn(plan: TurnPlan, knowledge: KnowledgeService) -> AsyncGenerator[TurnEvent]:
    """The events of one answer. Closing the generator closes the connection to the model.

    Raises:
        BudgetExceeded: a budget does not allow to ask the model once more.
        ProviderFailed: the model did not answer, or not to the end.
    """
    sources: list[Source] = []
    if plan.agent.knowledge_base_ids:
        yield Progress("searching_knowledge", 10)
        sources = await _look_up(plan, knowledge)
        for source in sources:
            yield source
    yield Progress("generating", 30)
    dialogue = _dialogue(plan, sources)
    allowance = Allowance(max_steps=plan.agent.guardrails.max_tool_steps)
    tool_use = None
    if plan.hands is not None:
        known = cache(partial(destinations_of, plan, plan.hands.tools))
        tool_use = ToolUse(dialogue, plan.hands, allowance, known, next_index=len(sources) + 1)
    async with aclosing(converse(dialogue, tool_use, allowance)) as events:
        async for event in events:
            yield event


async def converse(
    dialogue: Dialogue,
    tool_use: ToolUse | None,
    allowance: Allowance,
    *,
    has_said: bool = False,
) -> AsyncGenerator[TurnEvent]:
    """Model and tools by turns, until the model has said its last word, or a person has to."""
    is_waiting = False
    while not is_waiting:
        may_call = tool_use is not None and not allowance.is_used_up
        reply = Reply("\n\n" if has_said else "", may_call)
        specs = () if tool_use is None else tool_use.specs
        async with aclosing(answer(dialogue, specs, reply, has_said=has_said)) as answered:
            async for event in answered:
                yield event
        has_said = has_said or reply.has_text
        if tool_use is None or not (reply.calls and may_call):
            for event in _closing(reply, dialogue, allowance, has_said=has_said):
                yield event
            return
        async with aclosing(tool_use.take("".join(reply.texts), reply.calls)) as used:
            async for event in used:
                yield event
        is_waiting = tool_use.is_waiting


def _closing(
    reply: Reply, dialogue: Dialogue, allowance: Allowance, *, has_said: bool
) -> list[TurnEvent]:
    """The end of the answer, with a word for the user where the model has found none."""
    end = Written(MAX_STEPS if allowance.is_used_up else reply.finish_reason)
    if reply.has_text or (has_said and not allowance.is_used_up):
        return [end]
    return [Answer(reply.lead + last_words(dialogue.base.language)), end]


async def _look_up(plan: TurnPlan, knowledge: KnowledgeService) -> list[Source]:
    wanted = plan.agent.retrieval
    found = await knowledge.search(
        plan.question[:SEARCH_CHARS],
        base_ids=plan.agent.knowledge_base_ids,
        top_k=wanted.top_k,
        threshold=wanted.threshold,
        mode=wanted.mode,
        must_exist=False,
    )
    if not found.data:
        await knowledge.note_gap(
            plan.question,
            agent_id=plan.agent.id,
            conversation_id=plan.conversation_id,
            base_ids=plan.agent.knowledge_base_ids,
        )
    return [Source(index, hit) for index, hit in enumerate(found.data, 1)]


def _dialogue(plan: TurnPlan, sources: list[Source]) -> Dialogue:
    shown = passages(sources)
    system = system_message(
        instructions=plan.instructions,
        language=plan.agent.language,
        shown=shown,
        has_knowledge=bool(plan.agent.knowledge_base_ids),
        context_data=plan.context_data,
        has_tools=plan.hands is not None,
        earlier_calls=plan.earlier_calls,
    )
    base = ChatRequest(
        model=plan.model.model,
        messages=(),
        question=plan.question,
        language=plan.agent.language,
        passages=shown,
        temperature=plan.temperature,
        max_tokens=plan.max_tokens,
        top_p=plan.agent.top_p,
    )
    return Dialogue(
        model=plan.model,
        fallbacks=list(plan.fallbacks),
        base=base,
        system=system,
        history=list(plan.history),
        question=Message("user", plan.question),
        purse=plan.purse,
    )
