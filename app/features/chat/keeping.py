"""Gets a run's end into the database, however long that takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.errors import Problem
from app.features.chat.records import RunEnd, RunIds, RunWait
from app.features.chat.repository import Outcome, RunRepository
from app.features.chat.wait_repository import Suspension, WaitRepository
from app.ports import Ports
from app.ports.store import StoreUnavailable

# How long an answer waits in memory for a database that does not answer (PG-9), before its
# clients are told; it is tried further after that.
PATIENCE_S = 30.0
PATIENCE_WHEN_STOPPING_S = 5.0
RETRY_PAUSE_S = 0.5
LATE_RETRY_PAUSE_S = 5.0
Result = TypeVar("Result")


class RunKeeper:
    """Keeps the end of one run."""

    def __init__(self, ports: Ports, ids: RunIds, owner_id: str) -> None:
        self._clock, self._draining = ports.clock, ports.draining
        self._ids, self._owner_id = ids, owner_id
        self._repository = RunRepository(ports.database, ids.organization_id)
        self._waits = WaitRepository(ports.database, ids.organization_id)

    async def keep(self, end: RunEnd) -> Outcome:
        """Try until it is kept, or somebody else has ended the run.

        Raises:
            StoreUnavailable: the database has not answered for too long.
        """
        return await self._patiently(
            lambda: self._repository.finish(self._ids, end, owner_id=self._owner_id)
        )

    async def suspend(self, wait: RunWait) -> Suspension:
        """Try until the run is put down, or cannot be.

        Raises:
            StoreUnavailable: the database has not answered for too long.
        """
        return await self._patiently(
            lambda: self._waits.suspend(self._ids, wait, owner_id=self._owner_id)
        )

    async def _patiently(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        patience_s = PATIENCE_WHEN_STOPPING_S if self._draining.is_set() else PATIENCE_S
        deadline_s = self._clock.monotonic_s() + patience_s
        while True:
            try:
                return await attempt()
            except StoreUnavailable:
                if self._clock.monotonic_s() > deadline_s:
                    raise
                await asyncio.sleep(RETRY_PAUSE_S)

    async def keep_late(self, end: RunEnd) -> None:
        """Go on trying: no run may stay open in the database for ever."""
        while not self._draining.is_set():
            await asyncio.sleep(LATE_RETRY_PAUSE_S)
            try:
                await self._repository.finish(self._ids, end, owner_id=self._owner_id)
            except Problem:
                continue
            return
