"""Writes the frames of this process's runs to Redis: all runs together, a few times a second."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.adapters.shared.memory_run_buffers import MemoryRunBuffer
from app.adapters.shared.redis_link import PREFIX, RedisDown, RedisLink
from app.adapters.shared.redis_scripts import APPEND, TERMINATE
from app.core.clock import Clock
from app.core.ids import RunId
from app.ports.run_buffers import RESERVED_TERMINAL_ID

WRITE_EVERY_S = 0.075
# A run that has nothing to say is looked after so often, in case Redis lost what it had.
REFRESH_EVERY_S = 5.0
KEPT_WHILE_WRITTEN_S = 1200
# The database has the frames of a run that its owner has ended, but not of one that was left.
KEPT_AFTER_CLOSE_S = 60
KEPT_AFTER_TERMINATION_S = 900
# One pipeline holds no more than Redis takes well within the time of a command.
FRAMES_OF_A_RUN = 250
FRAMES_AT_ONCE = 1000
MAX_TERMINATIONS = 10_000


def stream_key(run_id: RunId) -> str:
    """The stream of a run's frames."""
    return f"{PREFIX}run:{run_id}"


@dataclass(slots=True)
class _Stream:
    """How far Redis has a run, as it last told."""

    buffer: MemoryRunBuffer
    written: int = 0
    is_done: bool = False

    def is_behind(self) -> bool:
        buffer = self.buffer
        return not self.is_done and (buffer.is_closed or buffer.last_event_id > self.written)

    def arguments(self) -> list[bytes | int]:
        """What APPEND takes: the next frames, and the end if they are the last."""
        frames = self.buffer.since(self.written, limit=FRAMES_OF_A_RUN)
        reaches_end = not frames or frames[-1][0] == self.buffer.last_event_id
        closes = self.buffer.is_closed and reaches_end
        flat = [part for pair in frames for part in pair]
        kept_s = KEPT_AFTER_CLOSE_S if closes else KEPT_WHILE_WRITTEN_S
        return [kept_s, int(closes), self.written, *flat]

    def learn(self, last: int, *, is_closed: bool) -> None:
        """Take what APPEND gives: the newest id in Redis, and whether the stream is closed."""
        self.written = last
        self.is_done = is_closed
        if is_closed and last != self.buffer.last_event_id:
            self.buffer.is_fenced = True


@dataclass(frozen=True, slots=True)
class _Append:
    """One run's part of a pipeline."""

    run_id: RunId
    stream: _Stream
    arguments: list[bytes | int]


class RunWriter:
    """Knows which runs have frames that Redis has not.

    An outage costs nothing but delay: Redis says what it has, and gets what it lacks.
    """

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link, self._clock = link, clock
        self._streams: dict[RunId, _Stream] = {}
        self._behind: dict[RunId, _Stream] = {}
        self._terminations: dict[RunId, bytes] = {}
        self._wanted = asyncio.Event()
        self._refreshed_s = clock.monotonic_s()

    def note(self, run_id: RunId, buffer: MemoryRunBuffer) -> None:
        """There is something new in the buffer."""
        stream = self._streams.get(run_id)
        if stream is None or stream.buffer is not buffer:
            stream = self._streams[run_id] = _Stream(buffer)
        if not stream.is_done:
            self._behind[run_id] = stream
            self._wanted.set()

    def drop(self, run_id: RunId) -> None:
        """The buffer is given up; what could not be written by now never is."""
        self._streams.pop(run_id, None)
        self._behind.pop(run_id, None)

    async def terminate(self, run_id: RunId, frame: bytes) -> None:
        """Close the run of another process, now or as soon as Redis is back."""
        self._terminations[run_id] = frame
        if len(self._terminations) > MAX_TERMINATIONS:
            del self._terminations[next(iter(self._terminations))]
        with suppress(RedisDown):
            await self._terminate_all()
        if self._terminations:
            self._wanted.set()

    async def write(self) -> None:
        """Write whenever there is something; runs as long as buffers are used."""
        while True:
            await self._something_to_do()
            await self._link.up.wait()
            with suppress(RedisDown):
                await self._terminate_all()
                await self._append_all()
            await asyncio.sleep(WRITE_EVERY_S)

    async def flush(self) -> None:
        """Write until Redis has everything, or does not answer."""
        with suppress(RedisDown):
            await self._terminate_all()
            while self._behind:
                await self._append_all()

    async def _something_to_do(self) -> None:
        if not self._behind and not self._terminations:
            self._wanted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY_S):
                    await self._wanted.wait()
        now_s = self._clock.monotonic_s()
        if now_s - self._refreshed_s >= REFRESH_EVERY_S:
            self._refreshed_s = now_s
            self._behind |= {k: s for k, s in self._streams.items() if not s.is_done}

    async def _terminate_all(self) -> None:
        for run_id, frame in list(self._terminations.items()):
            end = (KEPT_AFTER_TERMINATION_S, RESERVED_TERMINAL_ID, frame)
            key = stream_key(run_id)
            await self._link.call(lambda redis, key=key, end=end: TERMINATE.run(redis, key, *end))
            self._terminations.pop(run_id, None)

    async def _append_all(self) -> None:
        """Write of every run that is behind what one pipeline may hold."""
        part: list[_Append] = []
        frames = 0
        for run_id, stream in list(self._behind.items()):
            part.append(_Append(run_id, stream, stream.arguments()))
            frames += len(part[-1].arguments) // 2
            if frames >= FRAMES_AT_ONCE:
                await self._append(part)
                part, frames = [], 0
        await self._append(part)

    async def _append(self, part: list[_Append]) -> None:
        if not part:
            return
        answers = await self._link.call(lambda redis: _send(redis, part))
        for append, (last, is_closed) in zip(part, answers, strict=True):
            append.stream.learn(last, is_closed=bool(is_closed))
            if append.stream.is_behind() or self._behind.get(append.run_id) is not append.stream:
                continue
            del self._behind[append.run_id]
            buffer = append.stream.buffer
            if (buffer.is_closed or buffer.is_left) and self._is_current(append):
                del self._streams[append.run_id]

    def _is_current(self, append: _Append) -> bool:
        return self._streams.get(append.run_id) is append.stream


async def _send(redis: Redis, part: list[_Append]) -> Sequence[Any]:
    async def attempt() -> list[Any]:
        async with redis.pipeline(transaction=False) as pipeline:
            for append in part:
                key = stream_key(append.run_id)
                pipeline.execute_command("EVALSHA", APPEND.digest, 1, key, *append.arguments)
            return await pipeline.execute(raise_on_error=False)

    answers = await attempt()
    if any(isinstance(answer, NoScriptError) for answer in answers):
        await redis.script_load(APPEND.text)
        answers = await attempt()
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
