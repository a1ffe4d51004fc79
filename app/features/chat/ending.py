"""How a run leaves its process: ended once, or put down until a person has decided."""

import asyncio
from typing import Any

import structlog

from app.core.errors import Problem
from app.features.chat.account import RunAccount
from app.features.chat.errors import AnswerNotKept, RunDeleted, RunInterrupted
from app.features.chat.events import Suspended, cut_to_frame
from app.features.chat.frames import RunFrames, done_data, error_data
from app.features.chat.keeping import RunKeeper
from app.features.chat.records import RunEnd, RunIds, RunWait
from app.features.chat.shown import Shown
from app.ports.run_buffers import RESERVED_TERMINAL_ID

AWAITING = "awaiting_approval"
CANCELLED = "cancelled"
log = structlog.get_logger(__name__)


class RunEnding:
    """Keeps what the run has brought and closes its stream; tells how it went."""

    def __init__(
        self,
        ids: RunIds,
        keeper: RunKeeper,
        frames: RunFrames,
        *,
        public_url: str,
        request_id: str | None,
    ) -> None:
        self.problem: Problem | None = None
        self.finish_reason = "error"
        self.metadata: dict[str, Any] = {}
        self.done = asyncio.Event()
        self._ids, self._keeper, self._frames = ids, keeper, frames
        self._public_url, self._request_id = public_url, request_id
        self._is_cancelled = False
        self._has_effects = False

    async def end(self, shown: Shown, account: RunAccount, *, is_cancelled: bool) -> None:
        """End the run, with its problem or else its finish reason."""
        self._is_cancelled = is_cancelled and self.problem is None
        self._has_effects = shown.has_effects
        if self.problem is not None:
            self.finish_reason = "error"
        elif is_cancelled:
            self.finish_reason = CANCELLED
        for record in shown.cut_off():
            self._frames.show("tool", cut_to_frame(record))
        self.metadata = _metadata(shown, account, self.finish_reason)
        end = self._whole(shown, account)
        try:
            outcome = await self._keeper.keep(end)
        except Problem as problem:
            log.warning("answer_not_kept", run_id=self._ids.run_id, code=problem.code())
            await self._not_kept(shown, account)
            return
        if outcome == "kept":
            self._close(end.frames[-2:], end.last_event_id)
        elif outcome == "ended":
            self.fail(RunInterrupted("Another process has ended it."), RESERVED_TERMINAL_ID)
        else:
            self.fail(RunDeleted())

    async def suspend(self, wait: Suspended, shown: Shown, account: RunAccount) -> bool:
        """Put the run down; False where it has to be ended as cancelled instead.

        Raises:
            Problem: that is not possible, and the run has to be ended.
        """
        self._has_effects = shown.has_effects
        state = wait.state | {"shown": shown.written, "account": account.written(shown.text)}
        buffer = self._frames.buffer
        outcome = await self._keeper.suspend(
            RunWait(
                content=shown.text,
                sources=shown.sources,
                tool_calls=shown.tool_calls,
                calls=wait.calls,
                state=state,
                last_event_id=buffer.last_event_id,
                frames=buffer.frames(),
                facts=[*shown.facts, *wait.facts],
            )
        )
        match outcome:
            case "kept":
                self.finish_reason = AWAITING
                self.metadata = _metadata(shown, account, AWAITING)
                self.done.set()
                buffer.leave()
                log.info("run_awaits_approval", run_id=self._ids.run_id, calls=len(wait.calls))
            case "ended":
                self.fail(RunInterrupted("Another process has ended it."), RESERVED_TERMINAL_ID)
            case "gone":
                self.fail(RunDeleted())
            case "cancelled":
                return False
        return True

    def fail(self, problem: Problem, number: int | None = None) -> None:
        """Close the stream with an error, without a word to the database."""
        self.problem, self.finish_reason = problem, "error"
        last_id = number or self._frames.buffer.last_event_id + 1
        self._close([self._terminal(last_id)], last_id)

    def _whole(self, shown: Shown, account: RunAccount) -> RunEnd:
        number = self._frames.buffer.last_event_id + 1
        last = [
            self._frames.made(number, "metadata", self.metadata),
            self._terminal(number + 1),
        ]
        status = "cancelled" if self._is_cancelled else "completed"
        return RunEnd(
            status="failed" if self.problem else status,
            content=shown.text,
            sources=shown.sources,
            tool_calls=shown.tool_calls,
            metadata=self.metadata,
            finish_reason=self.finish_reason,
            problem=self.problem,
            is_retryable=self._is_retryable,
            last_event_id=number + 1,
            frames=self._frames.buffer.frames() + last,
            facts=shown.facts,
            fallback_id=account.fallback_id,
            handoff=shown.handoff if status == "completed" and self.problem is None else None,
        )

    @property
    def _is_retryable(self) -> bool:
        return self.problem is not None and self.problem.retryable and not self._has_effects

    def _terminal(self, number: int) -> bytes:
        if self.problem is None:
            return self._frames.made(number, "done", done_data(self._ids, self.finish_reason))
        data = error_data(
            self.problem,
            public_url=self._public_url,
            request_id=self._request_id,
            is_retryable=self._is_retryable,
        )
        return self._frames.made(number, "error", data)

    async def _not_kept(self, shown: Shown, account: RunAccount) -> None:
        self.problem, self.finish_reason = AnswerNotKept(), "error"
        self.metadata = self.metadata | {"finish_reason": "error"}
        end = self._whole(shown, account)
        self._close(end.frames[-2:], end.last_event_id)
        await self._keeper.keep_late(end)

    def _close(self, frames: list[bytes], last_id: int) -> None:
        buffer = self._frames.buffer
        for number, frame in zip(
            range(last_id - len(frames) + 1, last_id + 1), frames, strict=True
        ):
            buffer.append(number, frame)
        buffer.close()
        self.done.set()
        log.info(
            "run_ended",
            run_id=self._ids.run_id,
            finish_reason=self.finish_reason,
            code=None if self.problem is None else self.problem.code(),
            duration_ms=self.metadata.get("processing_time"),
        )


def _metadata(shown: Shown, account: RunAccount, finish_reason: str) -> dict[str, Any]:
    return account.metadata(
        text=shown.text,
        sources_count=len(shown.sources),
        tool_calls=shown.calls_made,
        finish_reason=finish_reason,
    )
