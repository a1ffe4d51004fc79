"""When keys were last used: noted here, and written down together, on no request's time."""

import asyncio
from contextlib import suppress

from app.core.clock import Clock
from app.core.errors import Problem
from app.core.schemas import rfc3339
from app.features.identity.repository import IdentityRepository

EVERY_S = 30.0
MAX_ADDRESS_CHARS = 64
PURGE_EVERY = 120
ENDED_S = 3600


class KeyUses:
    """The uses since they were last written down."""

    def __init__(self, repository: IdentityRepository, clock: Clock) -> None:
        self._repository, self._clock = repository, clock
        self._uses: dict[str, tuple[str, str]] = {}

    def note(self, key_id: str, address: str) -> None:
        """A key was used just now."""
        self._uses[key_id] = (rfc3339(self._clock.now()), address[:MAX_ADDRESS_CHARS])

    async def write_down(self) -> None:
        """Keep what was noted; what cannot be kept now is kept the next time."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        rows = [{"id": id, "at": at, "address": from_} for id, (at, from_) in uses.items()]
        try:
            await self._repository.touch(rows)
        except Problem:
            self._uses = uses | self._uses

    async def keep(self) -> None:
        """Work until cancelled; also deletes what ended organizations have left."""
        turn = 0
        while True:
            await asyncio.sleep(EVERY_S)
            await self.write_down()
            if turn % PURGE_EVERY == 0:
                with suppress(Problem):
                    await self._repository.purge(older_than_s=ENDED_S)
            turn += 1
