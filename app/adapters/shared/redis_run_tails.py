"""Follows runs of other processes in Redis: one reader a process, however many viewers."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

from redis.asyncio import Redis

from app.adapters.shared.frames import FrameList
from app.adapters.shared.redis_link import PREFIX, RedisDown, RedisLink
from app.adapters.shared.redis_run_writer import stream_key
from app.core.clock import Clock
from app.core.ids import RunId

POLL_EVERY_S = 0.05
SILENCE_S = 2.0
WATCHED_FOR_S = 10
TELL_EVERY_S = 3.0
# One answer is read in one go, so it must be small: streams a command, entries a stream.
STREAMS_AT_ONCE = 20
ENTRIES_AT_ONCE = 50


def watched_key(run_id: RunId) -> str:
    """There while a viewer of another process follows the run."""
    return f"{PREFIX}watched:{run_id}"


class _Tail:
    """The frames of one run as far as they have been read."""

    def __init__(self) -> None:
        self.frames = FrameList()
        self.is_lost = False
        self.told_s: float | None = None

    def take(self, entry: bytes, fields: Mapping[bytes, bytes]) -> None:
        """Add an entry of the stream; after a gap there is nothing to add any more."""
        if self.frames.is_closed:
            return
        if b"closed" in fields:
            self.frames.close()
        elif int(fields[b"after"]) == self.frames.last_event_id:
            self.frames.append(int(entry.split(b"-")[0]), fields[b"frame"])
        else:
            self.is_lost = True
            self.frames.close()


class RunTails:
    """Reads every followed run from its first frame on, and shares what it reads."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link, self._clock = link, clock
        self._tails: dict[RunId, _Tail] = {}
        self._wanted = asyncio.Event()

    async def follow(self, run_id: RunId, *, after: int) -> AsyncGenerator[bytes | None]:
        tail = self._tails.get(run_id)
        if tail is None or tail.is_lost:
            tail = self._tails[run_id] = _Tail()
            self._wanted.set()
        try:
            async with aclosing(tail.frames.heard(after=after, silence_s=SILENCE_S)) as frames:
                async for frame in frames:
                    yield frame
        finally:
            if not tail.frames.listeners and self._tails.get(run_id) is tail:
                del self._tails[run_id]

    async def read(self) -> None:
        """Read whenever somebody follows; runs as long as the service does."""
        while True:
            await self._wanted.wait()
            await self._link.up.wait()
            unread = {k: tail for k, tail in self._tails.items() if not tail.frames.is_closed}
            if not unread:
                self._wanted.clear()
                continue
            is_more = False
            with suppress(RedisDown):
                await self._tell_owners(unread)
                is_more = await self._read_all(unread)
            await asyncio.sleep(0 if is_more else POLL_EVERY_S)

    async def _read_all(self, tails: dict[RunId, _Tail]) -> bool:
        """Read what has come; whether there may be more at once."""
        is_more = False
        for part in _parts(tails):
            streams: dict[Any, Any] = {
                stream_key(run_id): f"{tail.frames.last_event_id}-0"
                for run_id, tail in part.items()
            }
            found: Any = await self._link.call(
                lambda redis, streams=streams: redis.xread(streams, count=ENTRIES_AT_ONCE)
            )
            for tail, entries in _by_tail(part, found):
                is_more |= len(entries) == ENTRIES_AT_ONCE
                for entry, fields in entries:
                    tail.take(entry, fields)
        return is_more

    async def _tell_owners(self, tails: dict[RunId, _Tail]) -> None:
        now_s = self._clock.monotonic_s()
        due = {
            run_id: tail
            for run_id, tail in tails.items()
            if tail.told_s is None or now_s - tail.told_s >= TELL_EVERY_S
        }
        for part in _parts(due):
            await self._link.call(lambda redis, part=part: _set_watched(redis, list(part)))
            for tail in part.values():
                tail.told_s = now_s


def _parts(tails: dict[RunId, _Tail]) -> Iterator[dict[RunId, _Tail]]:
    pairs = list(tails.items())
    for start in range(0, len(pairs), STREAMS_AT_ONCE):
        yield dict(pairs[start : start + STREAMS_AT_ONCE])


def _by_tail(
    part: dict[RunId, _Tail], found: Any
) -> Iterator[tuple[_Tail, list[tuple[bytes, dict[bytes, bytes]]]]]:
    by_key = {stream_key(run_id).encode(): tail for run_id, tail in part.items()}
    for key, entries in found or ():
        yield by_key[key], entries


async def _set_watched(redis: Redis, run_ids: list[RunId]) -> None:
    async with redis.pipeline(transaction=False) as pipeline:
        for run_id in run_ids:
            pipeline.set(watched_key(run_id), 1, ex=WATCHED_FOR_S)
        await pipeline.execute()
