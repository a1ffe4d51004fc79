"""One turn: look up, ask the model, pass its text on. One generator, one path for every client."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, assert_never

from app.features.agents.schemas import Agent
from app.features.chat.events import Answer, Asked, Counted, Progress, Source, TurnEvent, Written
from app.features.chat.prompt import estimated_tokens, fitting, passages, system_message
from app.features.chat.schemas import OnDisconnect
from app.features.knowledge.service import KnowledgeService
from app.ports.llm import (
    ChatRequest,
    ContextTooLong,
    Finished,
    Message,
    ProviderDisconnected,
    ProviderMalformed,
    ResolvedModel,
    TextDelta,
    ToolCall,
    Usage,
)

SEARCH_CHARS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPlan:
    """All that a turn needs to know before it begins."""

    agent: Agent
    model: ResolvedModel
    instructions: list[str]
    history: list[Message]
    question: str
    context_data: dict[str, Any] | None
    temperature: float
    max_tokens: int
    on_disconnect: OnDisconnect


async def turn(plan: TurnPlan, knowledge: KnowledgeService) -> AsyncGenerator[TurnEvent]:
    """The events of one answer. Closing the generator closes the connection to the model.

    Raises:
        ProviderFailed: the model did not answer, or not to the end.
    """
    sources: list[Source] = []
    if plan.agent.knowledge_base_ids:
        yield Progress("searching_knowledge", 10)
        sources = await _look_up(plan, knowledge)
        for source in sources:
            yield source
    yield Progress("generating", 30)
    async with aclosing(_answer(plan, sources)) as answered:
        async for event in answered:
            yield event


async def _answer(plan: TurnPlan, sources: list[Source]) -> AsyncGenerator[TurnEvent]:
    """The model's answer; what it cannot read in one go is asked once more with less history."""
    request = _request(plan, sources)
    has_begun = False
    try:
        async with aclosing(_write(request, plan.model)) as written:
            async for event in written:
                has_begun = has_begun or isinstance(event, Answer)
                yield event
        return
    except ContextTooLong:
        read = request.messages[1:-1]
        if has_begun or not read:
            raise
    newer = list(read[(len(read) + 1) // 2 :])
    shorter = _request(replace(plan, history=newer), sources)
    async with aclosing(_write(shorter, plan.model)) as written:
        async for event in written:
            yield event


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
    return [Source(index, hit) for index, hit in enumerate(found.data, 1)]


def _request(plan: TurnPlan, sources: list[Source]) -> ChatRequest:
    shown = passages(sources)
    system = system_message(
        instructions=plan.instructions,
        language=plan.agent.language,
        shown=shown,
        has_knowledge=bool(plan.agent.knowledge_base_ids),
        context_data=plan.context_data,
    )
    window = plan.model.provider.context_window(plan.model.model)
    messages = fitting(
        system,
        plan.history,
        Message("user", plan.question),
        budget_tokens=window - plan.max_tokens,
    )
    return ChatRequest(
        model=plan.model.model,
        messages=messages,
        question=plan.question,
        language=plan.agent.language,
        passages=shown,
        temperature=plan.temperature,
        max_tokens=plan.max_tokens,
        top_p=plan.agent.top_p,
    )


async def _write(request: ChatRequest, model: ResolvedModel) -> AsyncGenerator[TurnEvent]:
    finish_reason: str | None = None
    yield Asked(sum(estimated_tokens(message) for message in request.messages))
    async with aclosing(model.provider.stream(request)) as stream:
        async for event in stream:
            match event:
                case TextDelta(text):
                    yield Answer(text)
                case Usage():
                    yield Counted(event)
                case ToolCall():
                    raise ProviderMalformed("The model called a tool although it was given none.")
                case Finished(reason):
                    finish_reason = reason
                case _:
                    assert_never(event)
    if finish_reason is None:
        raise ProviderDisconnected("The answer ended without its end mark.")
    yield Written(finish_reason)
