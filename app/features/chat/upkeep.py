"""What a process does for all of its runs at once, and for the runs of processes that are gone."""

from typing import Literal, cast

from app.core.ids import RunId
from app.core.schemas import Resource
from app.features.chat.frames import pack
from app.features.chat.records import RunProgress, StoredRun
from app.features.chat.wait_repository import TakenRun
from app.ports.store import Database

Hold = Literal["running", "cancelled", "ended", "gone"]
"""What a process learns of its run: go on, stop it, another has ended it, it was deleted."""


class Beat(Resource):
    """What a process is told: runs of silent ones, ended now, and its own runs to be stopped.

    The `expired` ones awaited approval for too long; they are its own from now on, to be ended.
    """

    ended: list[StoredRun]
    cancelled: list[RunId]
    expired: list[TakenRun]


class RunUpkeep:
    """What a process does for all runs of its own, and for those whose process is gone."""

    def __init__(self, database: Database, process_id: str) -> None:
        self._system = database.system()
        self._process_id = process_id

    async def flush(self, runs: list[RunProgress]) -> dict[RunId, Hold]:
        """Keep what the runs have written so far; says of each whether it may go on."""
        rows = [
            {
                "id": run.ids.run_id,
                "organization_id": run.ids.organization_id,
                "message_id": run.ids.message_id,
                "content": run.content,
                "sources": run.sources,
                "tool_calls": run.tool_calls,
                "last_event_id": run.last_event_id,
                "frames_base64": pack(run.frames),
            }
            for run in runs
        ]
        states = await self._system.call("runs_flush_v2", owner_id=self._process_id, runs=rows)
        return cast("dict[RunId, Hold]", states)

    async def beat(self, *, silent_s: int, live: list[RunId]) -> Beat:
        """Tell that this process lives, and learn what it has to do.

        Its own runs are ended too where they are not among the `live` ones.
        """
        result = await self._system.call(
            "process_beat_v3", id=self._process_id, silent_s=silent_s, live=live
        )
        return Beat.model_validate(result)

    async def leave(self) -> None:
        """Take the heartbeat away."""
        await self._system.call("process_leave_v1", id=self._process_id)

    async def purge(self) -> None:
        """Forget the streams and keys whose time is over."""
        await self._system.call("runs_purge_v3")
