"""Run buffers that viewers at other processes can follow: a Redis stream a run."""

from collections.abc import AsyncGenerator, Collection
from contextlib import suppress

from app.adapters.shared.memory_run_buffers import MemoryRunBuffer, MemoryRunBuffers
from app.adapters.shared.redis_link import RedisDown, RedisLink
from app.adapters.shared.redis_run_tails import RunTails, watched_key
from app.adapters.shared.redis_run_writer import RunWriter, stream_key
from app.core.clock import Clock
from app.core.ids import RunId


class RedisRunBuffers:
    """This process's runs in memory, written behind; those of others through `RunTails`."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link = link
        self._writer = RunWriter(link, clock)
        self._tails = RunTails(link, clock)
        self._own = MemoryRunBuffers(clock, changed=self._writer.note)

        # The work in the background, each as long as the buffers are used, and the last of it.
        self.write = self._writer.write
        self.read = self._tails.read
        self.flush = self._writer.flush

    def open(self, run_id: RunId) -> MemoryRunBuffer:
        return self._own.open(run_id)

    def find(self, run_id: RunId) -> MemoryRunBuffer | None:
        return self._own.find(run_id)

    def follow_elsewhere(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        return self._tails.follow(run_id, after=after)

    async def has_elsewhere(self, run_id: RunId) -> bool:
        try:
            return bool(await self._link.call(lambda redis: redis.exists(stream_key(run_id))))
        except RedisDown:
            return False

    async def is_watched_elsewhere(self, run_id: RunId) -> bool:
        try:
            return bool(await self._link.call(lambda redis: redis.exists(watched_key(run_id))))
        except RedisDown:
            return True

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        await self._writer.terminate(run_id, frame)

    async def forget(self, run_ids: Collection[RunId]) -> None:
        await self._own.forget(run_ids)
        keys = [stream_key(run_id) for run_id in run_ids]
        if not keys:
            return
        with suppress(RedisDown):
            await self._link.call(lambda redis: redis.unlink(*keys))

    def give_up_old(self) -> None:
        for run_id in self._own.drop_old():
            self._writer.drop(run_id)
