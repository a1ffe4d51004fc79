"""Asks for one answer: of a model, with less to read, or of another model where one fails."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import structlog

from app.features.chat.dialogue import Dialogue
from app.features.chat.events import Switched, TurnEvent
from app.features.chat.reply import Reply, write
from app.ports.llm import ContextTooLong, EmptyAnswer, ProviderFailed, ToolSpec

log = structlog.get_logger(__name__)


async def answer(
    dialogue: Dialogue, specs: Sequence[ToolSpec], reply: Reply, *, has_said: bool
) -> AsyncGenerator[TurnEvent]:
    """The events of one answer, which `reply` holds at the end.

    Another model is asked only while the visitor has read nothing: one answer has one voice.

    Raises:
        BudgetExceeded: it cannot be paid.
        ProviderFailed: no model has answered, or not to the end.
    """
    while not reply.finish_reason:
        try:
            request = dialogue.request(specs, may_call=reply.may_call)
            async with aclosing(write(request, dialogue, reply)) as written:
                async for event in written:
                    yield event
        except ProviderFailed as failure:
            for event in _after(failure, dialogue, reply, has_said=has_said):
                yield event


def _after(
    failure: ProviderFailed, dialogue: Dialogue, reply: Reply, *, has_said: bool
) -> list[TurnEvent]:
    """What comes before the model is asked once more, or the reply is over.

    Raises:
        ProviderFailed: the failure, where nothing helps.
    """
    reply.finish_reason = ""
    reply.calls.clear()  # of an answer that was not whole
    if isinstance(failure, ContextTooLong) and not reply.has_text and dialogue.shorten():
        return []
    if isinstance(failure, EmptyAnswer) and dialogue.said:
        reply.finish_reason = "stop"  # its tools have said it all
        return []
    if has_said or reply.has_text or not dialogue.switch():
        raise failure
    log.warning("model_replaced", code=failure.code(), by=dialogue.model.model)
    return [Switched(dialogue.model)]
