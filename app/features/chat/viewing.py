"""What a run streams, wherever it is written or kept: here, in another process, in the database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from app.core.errors import Problem
from app.core.sse import event_id_of
from app.features.chat.ending import AWAITING
from app.features.chat.frames import interrupted_frame, is_terminal, retold, unpack
from app.features.chat.records import AnsweredRun, StoredRun, deleted
from app.features.chat.repository import RunRepository
from app.features.chat.run import Run
from app.ports import Ports
from app.ports.run_buffers import RESERVED_TERMINAL_ID, Tap

LOOK_AGAIN_S = 1.0
FRAMES_A_TURN = 50
UNDER_WAY = ("running", AWAITING)


class Viewing:
    """The streams of one organization's runs for clients that come, come back or come twice."""

    def __init__(self, ports: Ports, repository: RunRepository) -> None:
        self._ports = ports
        self._repository = repository

    async def follow(
        self, run: StoredRun, *, after: int, whole: bool = False, waits: bool = True
    ) -> AsyncGenerator[bytes]:
        """The frames with a greater number, to the last one.

        With `whole` an ended run whose stream is kept no longer is told again from its answer. A
        run that is put down until a person has decided is followed through that, wherever it goes
        on; without `waits`, only up to there.
        """
        seen, now = after, run
        while waits or now.status != AWAITING:
            last = None
            async with aclosing(self._part(now, seen, whole=whole and not seen)) as frames:
                async for frame in frames:
                    last = frame
                    yield frame
            if now.status not in UNDER_WAY or (last is not None and is_terminal(last)):
                return
            seen = seen if last is None else event_id_of(last)
            now = await self._now(run)

    async def watch(self, own: Run, tap: Tap) -> AsyncGenerator[bytes]:
        """The frames of a run that has just begun here, to the last one, as `follow` has it."""
        async with aclosing(own.buffer.follow(tap=tap)) as frames:
            async for frame in frames:
                yield frame
        if not own.is_waiting:
            return
        run = await self._repository.find(own.ids.agent_id, own.ids.run_id)
        if run is not None:
            rest = self.follow(run, after=own.buffer.last_event_id)
            async with aclosing(rest) as frames:
                async for frame in frames:
                    yield frame

    def _part(self, run: StoredRun, after: int, *, whole: bool) -> AsyncGenerator[bytes]:
        """The frames up to the run's end, or to where it is put down or goes on elsewhere."""
        here = self._ports.run_buffers.find(run.id)
        if here is not None:
            return here.follow(after=after)
        if run.status == AWAITING:
            return self._put_down(run, after)
        return self._of_another(run, after, whole)

    async def _put_down(self, run: StoredRun, after: int) -> AsyncGenerator[bytes]:
        """What a waiting run has streamed; returns when it does not wait any more."""
        with suppress(Problem):
            found = await self._repository.find_answered(run.agent_id, run.id)
            kept = found.frames_base64 if found is not None else None
            for frame in unpack(kept) if kept else ():
                if event_id_of(frame) > after:
                    yield frame
        while True:
            now = await self._now(run)
            # It may have gone on and been put down again.
            if (now.status, now.last_event_id) != (run.status, run.last_event_id):
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _of_another(self, run: StoredRun, after: int, whole: bool) -> AsyncGenerator[bytes]:
        seen = after
        async with aclosing(self._while_it_runs(run, after)) as frames:
            async for frame in frames:
                seen = event_id_of(frame)
                yield frame
                if is_terminal(frame):
                    return
        ended = await self._left(run)
        if ended is None:
            return
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
                    elif await self._find_left(run) is not None:
                        return
            if self._is_here(run) or await self._find_left(run) is not None:
                return
            # Its owner is gone or cannot be reached from here; somebody will end it.
            await asyncio.sleep(LOOK_AGAIN_S)

    def _is_here(self, run: StoredRun) -> bool:
        return self._ports.run_buffers.find(run.id) is not None

    async def _was_left(self, run: StoredRun) -> bool:
        """Whether its owner is gone and what it had written can still be read."""
        is_left = run.last_event_id == RESERVED_TERMINAL_ID
        return is_left and await self._ports.run_buffers.has_elsewhere(run.id)

    async def _now(self, run: StoredRun) -> StoredRun:
        """The run as it is by now, as soon as the database tells."""
        while True:
            with suppress(Problem):
                found = await self._repository.find(run.agent_id, run.id)
                return deleted(run) if found is None else found
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _left(self, run: StoredRun) -> AnsweredRun | None:
        """The run when it has ended; None when it waits for a person, or goes on here."""
        while True:
            left = await self._find_left(run)
            if left is not None:
                return None if left.status == AWAITING else left
            if self._is_here(run):
                return None
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _find_left(self, run: StoredRun) -> AnsweredRun | None:
        """The run if its process writes no more of it."""
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
