"""Ends an answer by asking for a person, where a rule of the agent or the model wants one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from app.features.agents.rules import HandoffRules
from app.features.chat.errors import BudgetExceeded
from app.features.chat.events import (
    Answer,
    PageSource,
    Source,
    Suspended,
    ToolNews,
    TurnEvent,
    Written,
)
from app.features.chat.handoff import HANDED_OVER, HandoffAsked, handing_over_words
from app.features.chat.handoff_tool import HANDOFF_TYPE


@dataclass(slots=True, kw_only=True)
class HandoffWatch:
    """What of an answer the rules ask about; `unanswered` questions in a row came before it.

    It is None where the agent looks nothing up, or that rule does not count.
    """

    rules: HandoffRules
    language: str
    unanswered: int | None = None
    has_source: bool = False
    has_said: bool = False
    wanted: HandoffAsked | None = None
    has_failed: dict[str, bool] = field(default_factory=dict[str, bool])

    def note(self, event: TurnEvent) -> None:
        """The answer goes on with this."""
        match event:
            case Source() | PageSource():
                self.has_source = True
            case Answer():
                self.has_said = True
            case ToolNews():
                self._called(event)
            case _:
                pass

    def _called(self, news: ToolNews) -> None:
        if news.status == "started" or news.type is None:
            return
        if news.type != HANDOFF_TYPE:
            self.has_failed[news.name] = news.status == "failed"
        elif news.status == "succeeded":
            self.wanted = HandoffAsked(
                reason=news.arguments["reason"],
                summary=news.arguments["summary"],
                requested_by="model",
            )

    @property
    def asked(self) -> HandoffAsked | None:
        """Whether a person is to be asked for, and why."""
        if self.wanted is not None:
            return self.wanted
        if self.rules.on_tool_failure and any(self.has_failed.values()):
            return HandoffAsked(reason="tool_failure", requested_by="rule")
        limit = self.rules.after_unanswered
        if limit is None or self.unanswered is None or self.has_source:
            return None
        if self.unanswered + 1 < limit:
            return None
        return HandoffAsked(reason="missing_knowledge", requested_by="rule")

    def by_rule(self, asked: HandoffAsked) -> list[TurnEvent]:
        """The end of an answer that a rule has ended."""
        lead = "\n\n" if self.has_said else ""
        words = Answer(lead + handing_over_words(self.language))
        return [words, asked, Written(HANDED_OVER)]


USAGE_LIMIT = HandoffAsked(reason="usage_limit", requested_by="rule")


async def handing_over(
    events: AsyncGenerator[TurnEvent], watch: HandoffWatch
) -> AsyncGenerator[TurnEvent]:
    """The events of an answer, and before its end, where one is asked for, that a person is.

    Raises:
        BudgetExceeded: a budget does not allow to go on, and no rule hands over then.
    """
    try:
        async with aclosing(_handing_over(events, watch)) as watched:
            async for event in watched:
                yield event
    except BudgetExceeded:
        if not watch.rules.on_usage_limit:
            raise
        for event in watch.by_rule(USAGE_LIMIT):
            yield event


async def _handing_over(
    events: AsyncGenerator[TurnEvent], watch: HandoffWatch
) -> AsyncGenerator[TurnEvent]:
    async with aclosing(events):
        async for event in events:
            watch.note(event)
            if isinstance(event, Suspended) and watch.wanted is not None:
                yield watch.wanted  # kept with what was written so far
            asked = watch.asked if isinstance(event, Written) else None
            if asked is None:
                yield event
                continue
            if asked.requested_by == "rule":
                for last in watch.by_rule(asked):
                    yield last
                continue
            yield asked
            yield Written(HANDED_OVER)


async def handed_over(asked: HandoffAsked, language: str) -> AsyncGenerator[TurnEvent]:
    """An answer without the model: a person is asked for at once."""
    yield Answer(handing_over_words(language))
    yield asked
    yield Written(HANDED_OVER)
