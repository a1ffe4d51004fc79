"""What a run streams, wherever it is written or kept: here, in another process, in the database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.core.errors import Problem
from app.core.sse import event_id_of
from app.features.chat.frames import interrupted_frame, is_terminal, retold, unpack
from app.features.chat.records import AnsweredRun, StoredRun, deleted
from app.features.chat.repository import RunRepository
from app.ports import Ports
from app.ports.run_buffers import RESERVED_TERMINAL_ID

LOOK_AGAIN_S = 1.0
FRAMES_A_TURN = 50


class Viewing:
    """The streams of one organization's runs for clients that come, come back or come twice."""

    def __init__(self, ports: Ports, repository: RunRepository) -> None:
        self._ports = ports
        self._repository = repository

    async def follow(
        self, run: StoredRun, *, after: int, whole: bool = False
    ) -> AsyncGenerator[bytes]:
        """The frames with a greater number, to the last one.

        With `whole` an ended run whose stream is kept no longer is told again from its answer.
        """
        here = self._ports.run_buffers.find(run.id)
        stream = self._of_another(run, after, whole) if here is None else here.follow(after=after)
        async with aclosing(stream) as frames:
            async for frame in frames:
                yield frame

    async def _of_another(self, run: StoredRun, after: int, whole: bool) -> AsyncGenerator[bytes]:
        seen = after
        async with aclosing(self._while_it_runs(run, after)) as frames:
            async for frame in frames:
                seen = event_id_of(frame)
                yield frame
                if is_terminal(frame):
                    return
        ended = await self._ended(run)
        for place, frame in enumerate(self._kept(ended, whole=whole and not seen), 1):
            if event_id_of(frame) > seen:
                yield frame
            if place % FRAMES_A_TURN == 0:
                await asyncio.sleep(0)

    async def _while_it_runs(self, run: StoredRun, after: int) -> AsyncGenerator[bytes]:
        """What can be read of the process that writes it, until the database knows its end."""
        seen = after
        while run.status == "running" or await self._was_left(run):
            reading = self._ports.run_buffers.follow_elsewhere(run.id, after=seen)
            async with aclosing(reading) as frames:
                async for frame in frames:
                    if frame is not None:
                        seen = event_id_of(frame)
                        yield frame
                    elif await self._find_ended(run) is not None:
                        return
            if await self._find_ended(run) is not None:
                return
            # Its owner is gone or cannot be reached from here; somebody will end it.
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _was_left(self, run: StoredRun) -> bool:
        """Whether its owner is gone and what it had written can still be read."""
        is_left = run.last_event_id == RESERVED_TERMINAL_ID
        return is_left and await self._ports.run_buffers.has_elsewhere(run.id)

    async def _ended(self, run: StoredRun) -> AnsweredRun:
        while True:
            ended = await self._find_ended(run)
            if ended is not None:
                return ended
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _find_ended(self, run: StoredRun) -> AnsweredRun | None:
        try:
            found = await self._repository.find_answered(run.agent_id, run.id)
        except Problem:
            return None  # the database does not answer at the moment: as if it still ran
        if found is None:
            return deleted(run)
        return None if found.status == "running" else found

    def _kept(self, run: AnsweredRun, *, whole: bool) -> list[bytes]:
        public_url = self._ports.settings.public_url
        frames = [] if run.frames_base64 is None else unpack(run.frames_base64)
        if frames and is_terminal(frames[-1]):
            return frames
        if not frames and (whole or run.status != "failed"):
            return retold(run, public_url=public_url)
        # Ended by somebody other than its owner, who would have kept the stream to its end.
        number = RESERVED_TERMINAL_ID
        last = interrupted_frame(run.ids, run.error, number=number, public_url=public_url)
        return [*frames, last]
