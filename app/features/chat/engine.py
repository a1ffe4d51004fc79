"""All runs of this process: started, kept, heard of by others, ended when it stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from app.core.background import kept_up
from app.core.errors import Problem
from app.core.ids import RunId, new_id
from app.features.chat.abandonment import cancel_when_abandoned
from app.features.chat.errors import (
    ApprovalExpired,
    RunDeleted,
    RunInterrupted,
    ServerStopping,
)
from app.features.chat.events import TurnEvent
from app.features.chat.frames import interrupted_frame, unpack
from app.features.chat.going_on import Means, going_on
from app.features.chat.hands import Hands
from app.features.chat.leading import led
from app.features.chat.records import RunIds, RunSoFar
from app.features.chat.run import Run
from app.features.chat.terms import RunTerms
from app.features.chat.turn import TurnPlan
from app.features.chat.upkeep import RunUpkeep
from app.features.chat.wait_repository import TakenRun
from app.features.chat.waiting import WaitingTurn
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.ports.run_buffers import RESERVED_TERMINAL_ID
from app.web.routing import FeatureContext

BEAT_EVERY_S = 5.0
SILENT_AFTER_S = 30
BEATS_BEFORE_ENDING = 2
FOR_EVER_S = 1_000_000_000
PURGE_EVERY_BEATS = 6
# What is written is kept within 2 s: looked at four times a second, when 1.7 s have passed.
FLUSH_TICK_S = 0.25
FLUSH_AFTER_S = 1.7
FLUSH_AT_ONCE = 200
# Answers under way get this long to end by themselves; platforms kill after about 30 s.
GRACE_S = 12.0
CANCELS = "runs.cancel"
log = structlog.get_logger(__name__)


class RunEngine:
    """Owns the tasks of runs, so that no request or connection does."""

    def __init__(self, ports: Ports, tasks: asyncio.TaskGroup) -> None:
        self.process_id = new_id()
        self._ports = ports
        self._tasks = tasks
        self._live: dict[RunId, Run] = {}
        self._upkeep = RunUpkeep(ports.database, self.process_id)

    def start(
        self, ids: RunIds, plan: TurnPlan, knowledge: KnowledgeService, request_id: str | None
    ) -> Run:
        """Begin a run; it goes on whoever watches it."""
        run = Run(
            self._ports,
            ids,
            plan.terms,
            owner_id=self.process_id,
            request_id=request_id,
            may_wait=plan.hands is not None,
        )
        self._begin(run, led(plan, knowledge))
        return run

    def go_on(self, taken: TakenRun, hands: Hands, means: Means, request_id: str | None) -> Run:
        """Go on with a run on which a person has decided, and which this process has taken."""
        run, waiting = self._taken(taken, request_id), WaitingTurn.read(taken.state["turn"])
        decided = {call.id: call for call in taken.calls if call.status in ("approved", "denied")}
        has_said = bool(run.shown.texts)
        rest = going_on(waiting, decided, hands, means, has_said=has_said)
        self._begin(run, rest)
        return run

    def end_waiting(self, taken: TakenRun, problem: Problem | None) -> Run:
        """End a run that this process has taken: failed by the problem, or else cancelled."""
        run = self._taken(taken, None)
        if problem is None:
            run.cancel()
        else:
            run.stop(problem)
        self._begin(run, nothing())
        return run

    def _taken(self, taken: TakenRun, request_id: str | None) -> Run:
        state = taken.state
        return Run(
            self._ports,
            taken.run.ids,
            RunTerms.read(state["terms"]),
            owner_id=self.process_id,
            request_id=request_id,
            so_far=RunSoFar(state["shown"], state["account"], unpack(taken.frames_base64)),
        )

    def _begin(self, run: Run, events: AsyncGenerator[TurnEvent]) -> None:
        run_id = run.ids.run_id
        self._live[run_id] = run
        task = self._tasks.create_task(run.execute(events))
        task.add_done_callback(lambda _: self._gone(run))
        if run.cancels_when_abandoned:
            self._tasks.create_task(cancel_when_abandoned(run, self._ports))

    def _gone(self, run: Run) -> None:
        # A run that was put down may be back already.
        if self._live.get(run.ids.run_id) is run:
            del self._live[run.ids.run_id]

    def find(self, run_id: RunId) -> Run | None:
        """The run, while it is under way in this process."""
        return self._live.get(run_id)

    def refuse_when_stopping(self) -> None:
        """Nothing new begins in a process that is being stopped.

        Raises:
            ServerStopping: it is.
        """
        if self._ports.draining.is_set():
            raise ServerStopping(headers={"Retry-After": "2"})

    async def beat(self, *, every_s: float = BEAT_EVERY_S) -> None:
        """Tell others that we live, close the runs of those that have fallen silent, clean up."""
        beats, in_a_row = 0, 0
        while True:
            try:
                await self._beat_once(self._patience_s(beats, in_a_row))
                if beats % PURGE_EVERY_BEATS == 0:
                    await self._upkeep.purge()
                beats, in_a_row = beats + 1, in_a_row + 1
            except Problem:
                in_a_row = 0
            await asyncio.sleep(every_s)

    def _patience_s(self, beats: int, in_a_row: int) -> int:
        """How long others may have been silent before their runs are ended."""
        if not beats and self._ports.database.is_exclusive:
            return 0  # nobody else can be alive over a database that only this process can reach
        # After an outage all have been silent, and whoever beats first must not end the rest.
        return SILENT_AFTER_S if in_a_row >= BEATS_BEFORE_ENDING else FOR_EVER_S

    async def _beat_once(self, silent_s: int) -> None:
        beat = await self._upkeep.beat(silent_s=silent_s, live=list(self._live))
        for run_id in beat.cancelled:
            self._cancel(run_id)
        for taken in beat.expired:
            self.end_waiting(taken, ApprovalExpired())
        if beat.ended:
            log.warning("silent_runs_ended", count=len(beat.ended))
        for run in beat.ended:
            frame = interrupted_frame(
                run.ids,
                run.error,
                number=RESERVED_TERMINAL_ID,
                public_url=self._ports.settings.public_url,
            )
            await self._ports.run_buffers.terminate(run.id, frame)

    async def hear_cancels(self) -> None:
        """Cancel our runs that clients of other processes want cancelled."""
        async with self._ports.bus.subscribe(CANCELS) as messages:
            async for message in messages:
                self._cancel(message.get("run_id"))

    def _cancel(self, run_id: Any) -> None:
        run = self._live.get(run_id)
        if run is not None:
            run.cancel()

    async def keep_what_is_written(self) -> None:
        """Flush the answers under way, all that are due in one call, and learn of their fate."""
        while True:
            await asyncio.sleep(FLUSH_TICK_S)
            self._ports.run_buffers.give_up_old()
            due = [
                progress
                for run in self._live.values()
                if (progress := run.unflushed(older_than_s=FLUSH_AFTER_S))
            ]
            for start in range(0, len(due), FLUSH_AT_ONCE):
                # What fails is in memory; the next flush or the end of the run keeps it.
                with suppress(Problem):
                    states = await self._upkeep.flush(due[start : start + FLUSH_AT_ONCE])
                    for run_id, state in states.items():
                        self._told(run_id, state)

    def _told(self, run_id: RunId, state: str) -> None:
        run = self._live.get(run_id)
        if run is None or state == "running":
            return
        if state == "cancelled":
            run.cancel()
        elif state == "gone":
            run.stop(RunDeleted())
        else:
            run.stop(RunInterrupted("Another process has ended it."))

    async def drain(self) -> None:
        """Once the process is told to stop: let runs end for a while, then end them."""
        await self._ports.draining.wait()
        await self._end_all(grace_s=GRACE_S)

    async def _end_all(self, *, grace_s: float) -> None:
        waiting = [self._tasks.create_task(run.ended.wait()) for run in self._live.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        for run in list(self._live.values()):
            run.stop(ServerStopping("This process is being stopped. What was written is kept."))

    async def leave(self) -> None:
        """End what still runs and take the heartbeat away."""
        await self._end_all(grace_s=0)
        for run in list(self._live.values()):
            await run.ended.wait()
            run.abandon()
        with suppress(Problem):
            await self._upkeep.leave()


async def nothing() -> AsyncGenerator[TurnEvent]:
    """A turn of which nothing is wanted any more."""
    for event in ():
        yield event


@asynccontextmanager
async def open_runs(ports: Ports) -> FeatureContext:
    """The engine for as long as the service runs; its runs have all ended when this has closed."""
    async with asyncio.TaskGroup() as tasks:
        engine = RunEngine(ports, tasks)
        work = (engine.beat, engine.keep_what_is_written, engine.hear_cancels, engine.drain)
        background = [tasks.create_task(kept_up(one)) for one in work]
        try:
            yield engine
        finally:
            for task in background:
                task.cancel()
            await engine.leave()
