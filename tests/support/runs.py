"""Runs as their owner writes them and as viewers at other processes read them."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from app.core.ids import RunId, new_id
from app.ports.shared import SharedState


def a_run_id() -> RunId:
    return RunId(new_id())


def frame(event_id: int) -> bytes:
    return b"frame %d" % event_id


def frames(first: int, last: int) -> list[bytes]:
    return [frame(event_id) for event_id in range(first, last + 1)]


def write(buffer, first: int, last: int) -> None:
    for event_id in range(first, last + 1):
        buffer.append(event_id, frame(event_id))


class Viewer:
    """Follows a run of another process and keeps what it sees."""

    def __init__(self, process: SharedState, run_id: RunId, *, after: int = 0) -> None:
        self.seen: list[bytes] = []
        self.silences = 0
        self._source = process.run_buffers.follow_elsewhere(run_id, after=after)
        self.task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> list[bytes]:
        async with aclosing(self._source):
            async for seen in self._source:
                if seen is None:
                    self.silences += 1
                else:
                    self.seen.append(seen)
        return self.seen

    async def sees(self, expected: list[bytes], *, within_s: float = 10) -> None:
        await eventually(lambda: self.seen == expected, within_s=within_s, what=lambda: self.seen)

    async def end(self) -> list[bytes]:
        return await asyncio.wait_for(self.task, 20)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def eventually(
    condition: Callable[[], bool], *, within_s: float = 10, what: Callable[[], object] = str
) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(what()) from None
