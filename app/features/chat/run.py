"""One run: takes the events of its turn, shows them, keeps them, and ends exactly once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog

from app.core.errors import Problem
from app.core.spans import agent_span, failed, told
from app.core.sse import pieces
from app.features.chat.account import RunAccount
from app.features.chat.ending import AWAITING, RunEnding
from app.features.chat.errors import AnswerNotKept, RunTooLong
from app.features.chat.events import (
    Answer,
    Asked,
    Called,
    Counted,
    Progress,
    Suspended,
    Switched,
    TurnEvent,
    Written,
)
from app.features.chat.frames import RunFrames
from app.features.chat.keeping import RunKeeper
from app.features.chat.records import RunIds, RunProgress, RunSoFar
from app.features.chat.shown import Shown
from app.features.chat.terms import RunTerms
from app.ports import Ports

log = structlog.get_logger(__name__)


class Run:
    """A task of the server; HTTP responses only watch its buffer."""

    def __init__(
        self,
        ports: Ports,
        ids: RunIds,
        terms: RunTerms,
        *,
        owner_id: str,
        request_id: str | None,
        may_wait: bool = False,
        so_far: RunSoFar | None = None,
    ) -> None:
        self.ids = ids
        self.may_wait = may_wait
        self.buffer = ports.run_buffers.open(ids.run_id)
        self.shown = Shown()
        self._clock, self._terms, self._meter = ports.clock, terms, ports.meter
        self._frames = RunFrames(ids, self.buffer)
        self._account = RunAccount(ports.clock, terms)
        self._ending = RunEnding(
            ids,
            RunKeeper(ports, ids, owner_id),
            self._frames,
            public_url=ports.settings.public_url,
            request_id=request_id,
        )
        self._task: asyncio.Task[None] | None = None
        self._stop_cause: Problem | None = None
        self._waits: Suspended | None = None
        self._is_cancelled = False
        self._is_ending = False
        self._flushed_id = 0
        self._flushed_s = ports.clock.monotonic_s()
        if so_far is None:
            self._frames.show("progress", Progress("started", 0).data)
        else:
            self._go_on_from(so_far)

    def _go_on_from(self, so_far: RunSoFar) -> None:
        self.shown.restore(so_far.shown)
        self._account.restore(so_far.account)
        for number, frame in enumerate(so_far.frames, 1):
            self.buffer.append(number, frame)

    @property
    def ended(self) -> asyncio.Event:
        """Set when this process does no more for the run: it has ended, or waits for a person."""
        return self._ending.done

    @property
    def is_waiting(self) -> bool:
        """Whether a person has to decide before it goes on, at whichever process."""
        return self._ending.finish_reason == AWAITING

    @property
    def problem(self) -> Problem | None:
        """Why it has failed."""
        return self._ending.problem

    @property
    def finish_reason(self) -> str:
        """How it has ended."""
        return self._ending.finish_reason

    @property
    def metadata(self) -> dict[str, Any]:
        """The data of its `metadata` event."""
        return self._ending.metadata

    @property
    def cancels_when_abandoned(self) -> bool:
        """Whether it should be stopped when nobody has listened for a while."""
        return self._terms.on_disconnect == "cancel"

    def stop(self, problem: Problem) -> None:
        """End the run from outside; what was written is kept and viewers are told why."""
        if self._stop_cause is None and not self._is_ending:
            self._stop_cause = problem
            self._interrupt()

    def cancel(self) -> None:
        """End the run because somebody wants no more of it; what was written is kept."""
        if not self._is_ending:
            self._is_cancelled = True
            self._interrupt()

    def abandon(self) -> None:
        """Give up what could not be kept."""
        if self._task is not None:
            self._task.cancel()

    def _interrupt(self) -> None:
        if self._task is not None and not self._is_ending:
            self._is_ending = True
            self._task.cancel()

    def unflushed(self, *, older_than_s: float) -> RunProgress | None:
        """What was written since the last flush, if that was so long ago; counts as flushed."""
        now_s = self._clock.monotonic_s()
        last_id = self.buffer.last_event_id
        if self._is_ending or last_id == self._flushed_id or now_s - self._flushed_s < older_than_s:
            return None
        self._flushed_id, self._flushed_s = last_id, now_s
        shown = self.shown
        return RunProgress(
            ids=self.ids,
            content=shown.text,
            sources=list(shown.sources),
            tool_calls=shown.tool_calls,
            last_event_id=last_id,
            frames=self.buffer.frames(),
        )

    async def execute(self, events: AsyncGenerator[TurnEvent]) -> None:
        """Run the turn until it has ended, or waits for a person."""
        about = {"gen_ai.conversation.id": self.ids.conversation_id, "run_id": self.ids.run_id}
        with agent_span(self.ids.agent_id, about) as span:
            await self._execute(events)
            told(span, {"finish_reason": self.finish_reason})
            if self.problem is not None:
                failed(span, self.problem.code())

    async def _execute(self, events: AsyncGenerator[TurnEvent]) -> None:
        self._task = asyncio.current_task()
        try:
            await self._follow(events)
        except Problem as problem:
            self._ending.problem = problem
        except asyncio.CancelledError:
            if self._task is None or not (self._is_cancelled or self._stop_cause):
                raise
            self._task.uncancel()
        except Exception:
            log.exception("run_crashed", run_id=self.ids.run_id)
            self._ending.problem = Problem("Report this run_id; the log has the cause.")
        self._is_ending = True
        try:
            await self._end()
            if self.ended.is_set():
                self._meter.run_ended(self.metadata)
        except Exception:
            log.exception("run_end_crashed", run_id=self.ids.run_id)
            if not self.ended.is_set():
                self._ending.fail(AnswerNotKept())

    async def _follow(self, events: AsyncGenerator[TurnEvent]) -> None:
        limit_s = self._terms.max_run_s
        async with aclosing(events):
            if self._is_cancelled or self._stop_cause:
                return
            limit = asyncio.timeout(limit_s)
            try:
                async with limit:
                    async for event in events:
                        self._take(event)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise RunTooLong(f"The limit of this agent is {limit_s} s.") from None

    def _take(self, event: TurnEvent) -> None:
        match event:
            case Answer(text, flow):
                self._take_text(text)
                if flow is not None:
                    flow(self._take_text)
            case Asked() | Counted() | Called():
                self._account.note(event, text=self.shown.text)
            case Switched(model):
                self._terms = self._terms.switched(model)
                self._account.switched(self._terms, text=self.shown.text)
            case Written(finish_reason):
                self._ending.finish_reason = finish_reason
            case Suspended():
                self._waits = event
            case _:
                self._frames.show(*self.shown.take(event))

    def _take_text(self, text: str) -> None:
        self._account.text_came()
        self.shown.texts.append(text)
        for piece in pieces(text):
            self._frames.show("answer", piece)

    async def _end(self) -> None:
        ending = self._ending
        ending.problem = ending.problem or self._stop_cause
        is_cancelled = self._is_cancelled
        if self._waits is not None and ending.problem is None and not is_cancelled:
            state = self._waits.state | {"terms": self._terms.written}
            waits = Suspended(state, self._waits.calls, self._waits.facts)
            try:
                if await ending.suspend(waits, self.shown, self._account):
                    return
                is_cancelled = True
            except Problem as problem:
                log.warning("run_not_suspended", run_id=self.ids.run_id, code=problem.code())
                ending.problem = AnswerNotKept()
        await ending.end(self.shown, self._account, is_cancelled=is_cancelled)
