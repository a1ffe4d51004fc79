"""One answer of the model: asked for when it can be paid, read as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import assert_never

from app.core.spans import chat_span, told
from app.features.chat.dialogue import Dialogue
from app.features.chat.events import Answer, Asked, Counted, TurnEvent
from app.ports.llm import (
    ChatRequest,
    Finished,
    Flow,
    ProviderDisconnected,
    ProviderMalformed,
    TakeText,
    TextDelta,
    ToolCall,
    Usage,
)


@dataclass(slots=True)
class Reply:
    """An answer as far as it has come; `lead` sets it off from the one before."""

    lead: str
    may_call: bool
    has_text: bool = False
    texts: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    finish_reason: str = ""

    def wants(self, call: ToolCall, request: ChatRequest) -> None:
        """The model wants a tool used.

        Raises:
            ProviderMalformed: it was told of none.
        """
        if not request.tools:
            raise ProviderMalformed("The model called a tool although it was given none.")
        self.calls.append(call)

    def text_of(self, piece: str) -> str:
        """The piece as it is shown."""
        if not self.has_text:
            self.has_text, piece = True, self.lead + piece
        if self.may_call:
            self.texts.append(piece)
        return piece

    def through(self, flow: Flow | None) -> Flow | None:
        """The flow for somebody who takes the texts after this has noted them."""
        if flow is None or not self.may_call:
            return flow

        def flow_to(take: TakeText) -> None:
            def note(text: str) -> None:
                self.texts.append(text)
                take(text)

            flow(note)

        return flow_to


async def write(
    request: ChatRequest, dialogue: Dialogue, reply: Reply
) -> AsyncGenerator[TurnEvent]:
    """The events of one answer. Closing the generator closes the connection to the model.

    Raises:
        BudgetExceeded: it cannot be paid; the model was not asked.
        ProviderFailed: the model did not answer, or not to the end.
    """
    yield Asked(await dialogue.afforded(request))
    wanted = {
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.max_tokens": request.max_tokens,
    }
    provider = dialogue.model.provider
    with chat_span(provider.name, request.model, wanted) as span:
        async with aclosing(provider.stream(request)) as stream:
            async for event in stream:
                match event:
                    case TextDelta(text, flow):
                        yield Answer(reply.text_of(text), reply.through(flow))
                    case Usage():
                        told(span, _used(event))
                        dialogue.counted(event)
                        yield Counted(event)
                    case ToolCall():
                        reply.wants(event, request)
                    case Finished(reason):
                        told(span, {"gen_ai.response.finish_reasons": [reason]})
                        reply.finish_reason = reason
                    case _:
                        assert_never(event)
        if not reply.finish_reason:
            raise ProviderDisconnected("The answer ended without its end mark.")


def _used(usage: Usage) -> dict[str, int]:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
