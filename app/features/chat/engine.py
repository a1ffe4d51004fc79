"""All runs of this process: started, kept alive in the eyes of others, ended when it stops."""

import asyncio
from contextlib import asynccontextmanager, suppress

import structlog

from app.core.errors import Problem
from app.core.ids import new_id
from app.features.chat.errors import ServerStopping
from app.features.chat.repository import RunIds
from app.features.chat.run import Run
from app.features.chat.turn import TurnPlan, turn
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.web.routing import FeatureContext

BEAT_EVERY_S = 5.0
SILENT_AFTER_S = 30
# Answers under way get this long to end by themselves; platforms kill after about 30 s.
GRACE_S = 12.0
log = structlog.get_logger(__name__)


class RunEngine:
    """Owns the tasks of runs, so that no request or connection does."""

    def __init__(self, ports: Ports, tasks: asyncio.TaskGroup) -> None:
        self.process_id = new_id()
        self._ports = ports
        self._tasks = tasks
        self._live: set[Run] = set()

    def start(
        self, ids: RunIds, plan: TurnPlan, knowledge: KnowledgeService, request_id: str | None
    ) -> Run:
        """Begin a run; it goes on whoever watches it."""
        run = Run(self._ports, ids, plan, request_id)
        self._live.add(run)
        task = self._tasks.create_task(run.execute(turn(plan, knowledge)))
        task.add_done_callback(lambda _: self._live.discard(run))
        return run

    def refuse_when_stopping(self) -> None:
        """Nothing new begins in a process that is being stopped.

        Raises:
            ServerStopping: it is.
        """
        if self._ports.draining.is_set():
            raise ServerStopping(headers={"Retry-After": "2"})

    async def beat(self) -> None:
        """Tell others that we live, and close the runs of those that have fallen silent."""
        while True:
            with suppress(Problem):
                result = await self._ports.database.system().call(
                    "process_beat_v1", id=self.process_id, silent_s=SILENT_AFTER_S
                )
                if result["ended_runs"]:
                    log.warning("silent_runs_ended", count=result["ended_runs"])
            await asyncio.sleep(BEAT_EVERY_S)

    async def drain(self) -> None:
        """Once the process is told to stop: let runs end for a while, then end them."""
        await self._ports.draining.wait()
        await self._end_all(grace_s=GRACE_S)

    async def _end_all(self, *, grace_s: float) -> None:
        waiting = [self._tasks.create_task(run.ended.wait()) for run in self._live]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)
        for run in list(self._live):
            run.stop(ServerStopping("This process is being stopped. What was written is kept."))

    async def leave(self) -> None:
        """End what still runs and take the heartbeat away."""
        await self._end_all(grace_s=0)
        with suppress(Problem):
            await self._ports.database.system().call("process_leave_v1", id=self.process_id)


@asynccontextmanager
async def open_runs(ports: Ports) -> FeatureContext:
    """The engine for as long as the service runs; its runs have all ended when this has closed."""
    async with asyncio.TaskGroup() as tasks:
        engine = RunEngine(ports, tasks)
        background = [tasks.create_task(engine.beat()), tasks.create_task(engine.drain())]
        try:
            yield engine
        finally:
            for task in background:
                task.cancel()
            await engine.leave()
