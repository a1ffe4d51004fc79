"""The rest of a turn that was put down, once a person has decided on its calls."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from app.features.chat.events import TurnEvent
from app.features.chat.handing_over import HandoffWatch, handing_over
from app.features.chat.hands import Hands
from app.features.chat.purse import Purse
from app.features.chat.tool_use import ToolUse
from app.features.chat.turn import converse
from app.features.chat.wait_repository import DecidedCall
from app.features.chat.waiting import WaitingTurn
from app.ports.llm import Models, ResolvedModel


@dataclass(frozen=True, slots=True)
class Means:
    """Whom the turn may ask, and what it may still spend; None where nothing bounds it."""

    models: Models
    purse: Purse | None
    fallbacks: list[ResolvedModel]


def going_on(
    waiting: WaitingTurn,
    decided: Mapping[str, DecidedCall],
    hands: Hands,
    means: Means,
    *,
    has_said: bool,
) -> AsyncGenerator[TurnEvent]:
    """The events from the decision on. Closing the generator cuts what is under way.

    Raises:
        ProviderNotConfigured, UnknownModel: the model cannot be asked any more.
        ProviderFailed: the model did not answer, or not to the end.
    """
    watch = HandoffWatch(rules=hands.handoff, language=waiting.language, has_said=has_said)
    return handing_over(_rest(waiting, decided, hands, means, has_said=has_said), watch)


async def _rest(
    waiting: WaitingTurn,
    decided: Mapping[str, DecidedCall],
    hands: Hands,
    means: Means,
    *,
    has_said: bool,
) -> AsyncGenerator[TurnEvent]:
    dialogue = waiting.dialogue(means.models, means.purse, means.fallbacks)
    tool_use = ToolUse(
        dialogue,
        hands,
        waiting.allowance,
        lambda: waiting.destinations,
        next_index=waiting.next_index,
    )
    async with aclosing(tool_use.go_on(waiting, decided)) as events:
        async for event in events:
            yield event
    conversing = converse(dialogue, tool_use, waiting.allowance, has_said=has_said)
    async with aclosing(conversing) as events:
        async for event in events:
            yield event
