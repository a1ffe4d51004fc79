"""One run: takes the events of its turn, shows them, keeps them, and ends exactly once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, assert_never

import structlog

from app.core.errors import Problem
from app.core.sse import pieces
from app.features.chat.account import RunAccount
from app.features.chat.errors import AnswerNotKept, RunDeleted, RunInterrupted, RunTooLong
from app.features.chat.events import Answer, Asked, Counted, Progress, Source, TurnEvent, Written
from app.features.chat.frames import done_data, envelope, error_data
from app.features.chat.keeping import RunKeeper
from app.features.chat.records import RunEnd, RunIds, RunProgress
from app.features.chat.turn import TurnPlan
from app.ports import Ports
from app.ports.run_buffers import RESERVED_TERMINAL_ID

CANCELLED = "cancelled"
log = structlog.get_logger(__name__)


class Run:
    """A task of the server; HTTP responses only watch its buffer."""

    def __init__(self, ports: Ports, ids: RunIds, plan: TurnPlan, request_id: str | None) -> None:
        self.ids = ids
        self.buffer = ports.run_buffers.open(ids.run_id)
        self.problem: Problem | None = None
        self.finish_reason = "error"
        self.metadata: dict[str, Any] = {}
        self.sources: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self._ports, self._plan, self._request_id = ports, plan, request_id
        self._keeper = RunKeeper(ports, ids)
        self._account = RunAccount(ports.clock, plan.model, plan.temperature)
        self._envelope = envelope(ids)
        self._text: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._stop_cause: Problem | None = None
        self._is_cancelled = False
        self._is_ending = False
        self._flushed_id = 0
        self._flushed_s = ports.clock.monotonic_s()
        self._show("progress", Progress("started", 0).data)

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "".join(self._text)

    @property
    def cancels_when_abandoned(self) -> bool:
        """Whether it should be stopped when nobody has listened for a while."""
        return self._plan.on_disconnect == "cancel"

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
        now_s = self._ports.clock.monotonic_s()
        last_id = self.buffer.last_event_id
        if self._is_ending or last_id == self._flushed_id or now_s - self._flushed_s < older_than_s:
            return None
        self._flushed_id, self._flushed_s = last_id, now_s
        return RunProgress(self.ids, self.text, list(self.sources), last_id, self.buffer.frames())

    async def execute(self, events: AsyncGenerator[TurnEvent]) -> None:
        """Run the turn to its end, whatever that is."""
        self._task = asyncio.current_task()
        try:
            await self._follow(events)
        except Problem as problem:
            self.problem = problem
        except asyncio.CancelledError:
            if self._task is None or not (self._is_cancelled or self._stop_cause):
                raise
            self._task.uncancel()
        except Exception:
            log.exception("run_crashed", run_id=self.ids.run_id)
            self.problem = Problem("Report this run_id; the log has the cause.")
        self._is_ending = True
        try:
            await self._end()
        except Exception:
            log.exception("run_end_crashed", run_id=self.ids.run_id)
            if not self.buffer.is_closed:
                self._fail_at(self.buffer.last_event_id + 1, AnswerNotKept())

    async def _follow(self, events: AsyncGenerator[TurnEvent]) -> None:
        limit_s = self._plan.agent.guardrails.max_run_seconds
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
            case Answer(text):
                self._account.text_came()
                self._text.append(text)
                for piece in pieces(text):
                    self._show("answer", piece)
            case Progress():
                self._show("progress", event.data)
            case Source():
                self.sources.append(event.data)
                self._show("source", event.data)
            case Asked(estimated_tokens):
                self._account.asked(estimated_tokens)
            case Counted(usage):
                self._account.counted(usage)
            case Written(finish_reason):
                self.finish_reason = finish_reason
            case _:
                assert_never(event)

    def _show(self, event: str, data: object) -> None:
        number = self.buffer.last_event_id + 1
        self.buffer.append(number, self._envelope.frame(number, event, data))

    async def _end(self) -> None:
        self.problem = self.problem or self._stop_cause
        if self.problem is not None:
            self.finish_reason = "error"
        elif self._is_cancelled:
            self.finish_reason = CANCELLED
        self.metadata = self._account.metadata(
            text=self.text, sources_count=len(self.sources), finish_reason=self.finish_reason
        )
        end = self._whole()
        try:
            outcome = await self._keeper.keep(end)
        except Problem as problem:
            log.warning("answer_not_kept", run_id=self.ids.run_id, code=problem.code())
            await self._not_kept()
            return
        if outcome == "kept":
            self._close(end.frames[-2:], end.last_event_id)
        elif outcome == "ended":
            self._fail_at(RESERVED_TERMINAL_ID, RunInterrupted("Another process has ended it."))
        else:
            self._fail_at(self.buffer.last_event_id + 1, RunDeleted())

    def _whole(self) -> RunEnd:
        number = self.buffer.last_event_id + 1
        last = [
            self._envelope.frame(number, "metadata", self.metadata),
            self._terminal(number + 1, self.problem),
        ]
        is_cancelled = self.problem is None and self._is_cancelled
        status = "failed" if self.problem else "cancelled" if is_cancelled else "completed"
        return RunEnd(
            status=status,
            content=self.text,
            sources=self.sources,
            metadata=self.metadata,
            finish_reason=self.finish_reason,
            problem=self.problem,
            last_event_id=number + 1,
            frames=self.buffer.frames() + last,
        )

    def _terminal(self, number: int, problem: Problem | None) -> bytes:
        if problem is None:
            return self._envelope.frame(number, "done", done_data(self.ids, self.finish_reason))
        public_url = self._ports.settings.public_url
        data = error_data(problem, public_url=public_url, request_id=self._request_id)
        return self._envelope.frame(number, "error", data)

    async def _not_kept(self) -> None:
        self.problem, self.finish_reason = AnswerNotKept(), "error"
        self.metadata = self.metadata | {"finish_reason": "error"}
        end = self._whole()
        self._close(end.frames[-2:], end.last_event_id)
        await self._keeper.keep_late(end)

    def _fail_at(self, number: int, problem: Problem) -> None:
        self.problem, self.finish_reason = problem, "error"
        self._close([self._terminal(number, problem)], number)

    def _close(self, frames: list[bytes], last_id: int) -> None:
        for number, frame in zip(
            range(last_id - len(frames) + 1, last_id + 1), frames, strict=True
        ):
            self.buffer.append(number, frame)
        self.buffer.close()
        self.ended.set()
        log.info(
            "run_ended",
            run_id=self.ids.run_id,
            finish_reason=self.finish_reason,
            code=None if self.problem is None else self.problem.code(),
            duration_ms=self.metadata["processing_time"],
        )
