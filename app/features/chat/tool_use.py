"""What happens between two answers of the model: calls are judged, made, shown, told to it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import structlog

from app.features.chat.allowance import Allowance
from app.features.chat.call_facts import approval_fact, failure_fact
from app.features.chat.calls import Call, refusal_of, told
from app.features.chat.destinations.guard import Destinations, guarded
from app.features.chat.dialogue import Dialogue
from app.features.chat.events import (
    Called,
    FormEvent,
    PageSource,
    Progress,
    Suspended,
    ToolNews,
    TurnEvent,
)
from app.features.chat.hands import Hands, is_recorded
from app.features.chat.tool_news import asked_for, news_of
from app.features.chat.wait_repository import DecidedCall
from app.features.chat.waiting import WaitingTurn, waiting_call
from app.features.tools.runner import Outcome
from app.ports.llm import Message, ToolCall, ToolSpec

# Of one answer; what is beyond is not even read.
CALLS_READ = 25
# Of the calls that were refused: as many as clients see, and as many as one answer's model is told.
REFUSALS_SHOWN = 20
REFUSALS_KEPT = 5
LAST_WORD = (
    "\n\nNo more tools can be called for this message."
    " Answer the user now with what is known, and say what is not."
)
log = structlog.get_logger(__name__)


class ToolUse:
    """The tools of one run between the first answer and the last."""

    def __init__(
        self,
        dialogue: Dialogue,
        hands: Hands,
        allowance: Allowance,
        destinations: Callable[[], Destinations],
        *,
        next_index: int,
    ) -> None:
        self._destinations = destinations
        self._dialogue, self._hands, self._allowance = dialogue, hands, allowance
        self._next_index = next_index
        self._refusals_shown = 0
        self._taken_ids: set[str] = set()
        self._told: dict[str, str] = {}
        self.is_waiting = False

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told of the tools."""
        return self._hands.specs

    async def take(self, text: str, wanted: Sequence[ToolCall]) -> AsyncGenerator[TurnEvent]:
        """The model has written the text and wants these calls; their results go back to it.

        Where a person has to approve some of them it ends with `Suspended`, and `is_waiting`.
        """
        yield Called(sum(len(call.name) + len(call.arguments) for call in wanted))
        judged = [guarded(call, self._destinations) for call in await self._read(wanted)]
        calls = self._allowance.admitted(judged)
        async with aclosing(self._answer(calls)) as events:
            async for event in events:
                yield event
        calls = self._kept(calls, len(wanted))
        sent = tuple(call.sent for call in calls)
        self._dialogue.said.append(Message("assistant", text, tool_calls=sent))
        waiting = [call for call in calls if call.needs_approval]
        if not waiting:
            self._tell(calls)
            yield Progress("generating", 60)
            return
        for call in waiting:
            yield asked_for(call)
        self.is_waiting = True
        yield Suspended(
            self._written(calls),
            [self._hands.row_of(call) for call in waiting],
            [approval_fact(self._hands.ids, call) for call in waiting],
        )

    async def _read(self, wanted: Sequence[ToolCall]) -> list[Call]:
        calls: list[Call] = []
        for call in wanted[:CALLS_READ]:
            calls += self._hands.read([call], self._taken_ids)
            await asyncio.sleep(0)  # others have their turn between
        return calls

    def _kept(self, calls: Sequence[Call], wanted: int) -> list[Call]:
        """The calls that the model reads back: those made, and the first that were not."""
        refused = [call.id for call in calls if call.refusal is not None]
        kept_ids = set(refused[:REFUSALS_KEPT])
        # What is signed is refused if a part of it is missing.
        kept = [c for c in calls if not c.refusal or c.id in kept_ids or c.sent.signature]
        if left_out := wanted - len(kept):
            self._told[refused[len(kept_ids) - 1]] += (
                f" {left_out} more calls were not made either."
            )
            log.info("tool_calls_left_out", count=left_out)
        return kept

    async def go_on(
        self, waiting: WaitingTurn, decided: Mapping[str, DecidedCall]
    ) -> AsyncGenerator[TurnEvent]:
        """A person has decided on what the turn waited for; the results go back to the model."""
        self._refusals_shown = waiting.refusals_shown
        self._taken_ids = set(waiting.taken_ids)
        calls = [self._hands.decided(call.id, call.sent, decided) for call in waiting.calls]
        for call in calls:
            if call.note:
                self._allowance.note(call)  # with other arguments than the model's
        open_ids = {call.id for call in waiting.calls if call.told is None}
        self._told = {call.id: call.told for call in waiting.calls if call.told is not None}
        async with aclosing(self._answer([c for c in calls if c.id in open_ids])) as events:
            async for event in events:
                yield event
        self._tell(calls)
        yield Progress("generating", 60)

    def _written(self, calls: Sequence[Call]) -> dict[str, Any]:
        dialogue, base = self._dialogue, self._dialogue.base
        turn = WaitingTurn(
            model_id=f"{dialogue.model.provider.name}/{dialogue.model.model}",
            language=base.language,
            temperature=base.temperature,
            max_tokens=base.max_tokens,
            top_p=base.top_p,
            system=dialogue.system,
            history=dialogue.history,
            question=dialogue.question,
            said=dialogue.said,
            is_shortened=dialogue.is_shortened,
            allowance=self._allowance,
            next_index=self._next_index,
            refusals_shown=self._refusals_shown,
            taken_ids=sorted(self._taken_ids),
            calls=[waiting_call(call, self._told.get(call.id)) for call in calls],
            visitor_id=self._hands.visitor_id,
            destinations=self._destinations(),
            purse=dialogue.purse and dialogue.purse.written,
            fallback_ids=[model.id for model in dialogue.fallbacks if model.id],
        )
        return {"turn": turn.written}

    async def _answer(self, calls: Sequence[Call]) -> AsyncGenerator[TurnEvent]:
        """Make the calls that can be made now, and refuse those that are not to be made."""
        for call in calls:
            if call.refusal is not None:
                for news in self._refused(call):
                    yield news
        ready = [call for call in calls if not call.refusal and not call.needs_approval]
        async with aclosing(self._make(ready)) as made:
            async for event in made:
                yield event

    async def _make(self, calls: list[Call]) -> AsyncGenerator[TurnEvent]:
        for call in calls:
            yield Progress("calling_tool", 50, call.name)
            yield news_of(call, None)
        mendable = False
        async with aclosing(self._hands.make(calls)) as made:
            async for call, outcome in made:
                mendable = mendable or outcome.is_mendable
                for event in self._happened(call, outcome):
                    yield event
        if mendable:
            self._allowance.mending()

    def _happened(self, call: Call, outcome: Outcome) -> list[TurnEvent]:
        sources = [
            PageSource(index, page) for index, page in enumerate(outcome.pages, self._next_index)
        ]
        self._next_index += len(sources)
        self._told[call.id] = told(outcome, sources, note=call.note)
        fact = None
        if call.tool is not None and not is_recorded(call.tool):
            fact = failure_fact(self._hands.ids, call, outcome)
        events: list[TurnEvent] = [news_of(call, outcome, fact=fact), *sources]
        if outcome.form is not None:
            events.append(FormEvent(outcome.form.data))
        return events

    def _refused(self, call: Call) -> list[ToolNews]:
        outcome = refusal_of(call)
        self._told[call.id] = told(outcome, [])
        self._refusals_shown += 1
        return [news_of(call, outcome)] if self._refusals_shown <= REFUSALS_SHOWN else []

    def _tell(self, calls: Sequence[Call]) -> None:
        """Give the model the results, in the order of its calls."""
        refused = [call.refusal for call in calls if call.refusal is not None]
        if refused:
            codes = sorted({refusal.code for refusal in refused})
            log.info("tool_calls_refused", count=len(refused), codes=codes)
        if any(call.is_mendable for call in calls):
            self._allowance.mending()
        results = [
            Message("tool", self._told.pop(call.id), tool_call_id=call.sent.id) for call in calls
        ]
        if self._allowance.is_used_up:
            last = results.pop()
            content = last.content + LAST_WORD
            results.append(Message("tool", content, tool_call_id=last.tool_call_id))
        self._told.clear()
        self._dialogue.said += results
