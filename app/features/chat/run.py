"""One run: takes the events of its turn, shows them, keeps them, and ends exactly once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, assert_never

import structlog

from app.core.clock import elapsed_ms
from app.core.errors import Problem
from app.core.sse import frame, pieces
from app.features.chat.errors import AnswerNotKept, RunInterrupted, RunTooLong
from app.features.chat.events import Answer, Progress, Source, TurnEvent, Written
from app.features.chat.repository import RunEnd, RunIds, RunRepository
from app.features.chat.turn import TurnPlan
from app.ports import Ports
from app.ports.store import StoreUnavailable
from app.web.problems import problem_body

FLUSH_EVERY_S = 2.0
# How long an answer waits in memory for a database that does not answer (PG-9).
KEEP_TRYING_S = 30.0
RETRY_PAUSE_S = 0.5
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
        self._ports, self._plan, self._request_id = ports, plan, request_id
        self._repository = RunRepository(ports.database, ids.organization_id)
        self._text: list[str] = []
        self._usage: dict[str, int] | None = None
        self._started_s = self._flushed_s = ports.clock.monotonic_s()
        self._first_text_ms: int | None = None
        self._stopped_by: Problem | None = None
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self._show("progress", Progress("started", 0).data)

    @property
    def text(self) -> str:
        """What has been written so far."""
        return "".join(self._text)

    def stop(self, problem: Problem) -> None:
        """End the run from outside; what was written is kept and viewers are told why."""
        if self._task is not None and not self.ended.is_set() and self._stopped_by is None:
            self._stopped_by = problem
            self._task.cancel()

    async def execute(self, events: AsyncGenerator[TurnEvent]) -> None:
        """Run the turn to its end, whatever that is."""
        self._task = asyncio.current_task()
        try:
            await self._follow(events)
        except Problem as problem:
            self.problem = problem
        except TimeoutError:
            limit_s = self._plan.agent.guardrails.max_run_seconds
            self.problem = RunTooLong(f"The limit of this agent is {limit_s} s.")
        except asyncio.CancelledError:
            if self._stopped_by is None or self._task is None:
                raise
            self._task.uncancel()
            self.problem = self._stopped_by
        except Exception:
            log.exception("run_crashed", run_id=self.ids.run_id)
            self.problem = Problem("Report this run_id; the log has the cause.")
        await self._end()

    async def _follow(self, events: AsyncGenerator[TurnEvent]) -> None:
        async with (
            asyncio.timeout(self._plan.agent.guardrails.max_run_seconds),
            aclosing(events),
        ):
            async for event in events:
                self._take(event)
                await self._flush_now_and_then()

    def _take(self, event: TurnEvent) -> None:
        match event:
            case Progress():
                self._show("progress", event.data)
            case Source():
                self.sources.append(event.data)
                self._show("source", event.data)
            case Answer(text):
                if self._first_text_ms is None:
                    self._first_text_ms = elapsed_ms(self._ports.clock, self._started_s)
                self._text.append(text)
                for piece in pieces(text):
                    self._show("answer", piece)
            case Written(finish_reason, usage):
                self.finish_reason, self._usage = finish_reason, usage
            case _:
                assert_never(event)

    def _show(self, event: str, data: object) -> None:
        ids = self.ids
        envelope = {
            "event": event,
            "data": data,
            "conversation_id": ids.conversation_id,
            "message_id": ids.message_id,
            "run_id": ids.run_id,
        }
        event_id = self.buffer.last_event_id + 1
        self.buffer.append(event_id, frame(event_id=event_id, event=event, data=envelope))

    async def _flush_now_and_then(self) -> None:
        now_s = self._ports.clock.monotonic_s()
        if now_s - self._flushed_s < FLUSH_EVERY_S:
            return
        self._flushed_s = now_s
        try:
            held = await self._repository.flush(
                self.ids, self.text, last_event_id=self.buffer.last_event_id
            )
        except StoreUnavailable:
            return  # the text is in memory; the next flush or the end keeps it
        if not held:
            raise RunInterrupted

    async def _end(self) -> None:
        if self.problem is not None:
            self.finish_reason = "error"
        self.metadata = self._measured()
        try:
            if not await self._kept():
                self.problem = RunInterrupted("Another process has closed this run.")
        except Problem:
            self.problem = AnswerNotKept()
        self._show("metadata", self.metadata)
        self._show_terminal()
        self.buffer.close()
        self.ended.set()
        log.info(
            "run_ended",
            run_id=self.ids.run_id,
            code=None if self.problem is None else self.problem.code(),
            duration_ms=self.metadata["processing_time"],
        )

    async def _kept(self) -> bool:
        end = RunEnd(
            content=self.text,
            sources=self.sources,
            metadata=self.metadata,
            last_event_id=self.buffer.last_event_id + 2,
            finish_reason=self.finish_reason,
            problem=self.problem,
        )
        deadline_s = self._ports.clock.monotonic_s() + KEEP_TRYING_S
        while True:
            try:
                return await self._repository.finish(self.ids, end)
            except StoreUnavailable:
                if self._ports.clock.monotonic_s() > deadline_s:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S)

    def _measured(self) -> dict[str, Any]:
        return {
            "model": self._plan.model.model,
            "provider": self._plan.model.provider.name,
            "temperature": self._plan.temperature,
            "usage": self._usage,
            # Prices come with the catalogue of models; unknown is null, never 0.
            "cost_usd": None,
            "sources_count": len(self.sources),
            "tool_calls": 0,
            "time_to_first_token_ms": self._first_text_ms,
            "processing_time": elapsed_ms(self._ports.clock, self._started_s),
            "finish_reason": self.finish_reason,
        }

    def _show_terminal(self) -> None:
        if self.problem is None:
            done = {
                "conversation_id": self.ids.conversation_id,
                "message_id": self.ids.message_id,
                "complete": True,
                "finish_reason": self.finish_reason,
            }
            self._show("done", done)
            return
        public_url = self._ports.settings.public_url
        body = problem_body(self.problem, public_url=public_url, request_id=self._request_id)
        self._show("error", body | {"retryable": type(self.problem).retryable})
