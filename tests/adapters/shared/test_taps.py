"""Frames that a viewer's tap takes as they are made, and those that it cannot take."""

import asyncio
import random

import pytest

from app.adapters.shared.frames import FrameList
from app.ports.run_buffers import RESERVED_TERMINAL_ID

pytestmark = [pytest.mark.anyio, pytest.mark.once]


class Viewer:
    """Sees frames by its tap while that is open, and by reading otherwise."""

    def __init__(self, frames: FrameList, *, after: int = 0) -> None:
        self.seen: list[bytes] = []
        self.tapped = 0
        self.is_open = True
        self._following = frames.follow(after=after, tap=self._tap)
        self.reading = asyncio.ensure_future(self._read())

    def _tap(self, frame: bytes) -> bool:
        if self.is_open:
            self.seen.append(frame)
            self.tapped += 1
        return self.is_open

    async def _read(self) -> None:
        async for frame in self._following:
            self.seen.append(frame)


async def test_a_frame_is_seen_within_the_call_that_appends_it():
    frames = FrameList()
    frames.append(1, b"1")
    viewer = Viewer(frames)
    await asyncio.sleep(0)
    frames.append(2, b"2")
    assert viewer.seen == [b"1", b"2"]
    frames.close()
    await viewer.reading
    assert (viewer.seen, viewer.tapped) == ([b"1", b"2"], 1)


async def test_what_the_tap_cannot_take_is_read_in_its_place():
    frames = FrameList()
    viewer = Viewer(frames)
    await asyncio.sleep(0)
    for number in range(1, 7):
        viewer.is_open = number in (1, 2, 5)
        frames.append(number, b"%d" % number)
    # The fifth could be taken, but the third has not been read.
    assert viewer.seen == [b"1", b"2"]
    await asyncio.sleep(0)
    frames.close()
    await viewer.reading
    assert viewer.seen == [b"1", b"2", b"3", b"4", b"5", b"6"]


async def test_a_tap_sees_nothing_that_its_viewer_has_seen_before():
    frames = FrameList()
    viewer = Viewer(frames, after=2)
    await asyncio.sleep(0)
    for number in (1, 2, 3):
        frames.append(number, b"%d" % number)
    frames.append(RESERVED_TERMINAL_ID, b"end")
    frames.close()
    await viewer.reading
    assert viewer.seen == [b"3", b"end"]


async def test_every_viewer_sees_every_frame_once_whatever_its_tap_takes():
    chance = random.Random(5)
    frames = FrameList()
    viewers = [Viewer(frames) for _ in range(5)]
    left = Viewer(frames)
    for number in range(1, 400):
        for viewer in viewers:
            viewer.is_open = chance.random() < 0.5
        frames.append(number, b"%d" % number)
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if number == 200:
            left.reading.cancel()
    frames.close()
    await asyncio.gather(*(viewer.reading for viewer in viewers))
    for viewer in viewers:
        assert viewer.seen == [b"%d" % number for number in range(1, 400)]
        assert viewer.tapped
    # It left at its next turn, a few frames later.
    assert len(left.seen) < 250
    assert left.seen == [b"%d" % number for number in range(1, len(left.seen) + 1)]
    assert frames.listeners == 0
