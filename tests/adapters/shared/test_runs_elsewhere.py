"""Runs that are followed at another process: nothing is skipped, whatever Redis forgets."""

import asyncio

import pytest

from app.adapters.shared.redis import open_redis
from app.core.clock import SystemClock
from app.ports.run_buffers import RESERVED_TERMINAL_ID
from tests.support.runs import Viewer, a_run_id, eventually, frame, frames, write

pytestmark = pytest.mark.anyio


def key(run_id: str) -> str:
    return f"adc:v1:run:{run_id}"


async def test_a_run_is_followed_from_any_frame_while_it_is_written_and_afterwards(processes):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    early = [Viewer(elsewhere, run_id, after=after) for after in range(41)]
    for event_id in range(1, 41):
        buffer.append(event_id, frame(event_id))
        await asyncio.sleep(0.01)
    buffer.close()
    late = [Viewer(elsewhere, run_id, after=after) for after in range(41)]
    for viewers in (early, late):
        for after, viewer in enumerate(viewers):
            assert await viewer.end() == frames(after + 1, 40)


async def test_a_long_run_is_read_whole(processes):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 3000)
    buffer.close()
    assert await Viewer(elsewhere, run_id).end() == frames(1, 3000)


async def test_silence_is_told_about_every_two_seconds(processes):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    write(owner.run_buffers.open(run_id), 1, 1)
    viewer = Viewer(elsewhere, run_id)
    await asyncio.sleep(5)
    assert 1 <= viewer.silences <= 3
    assert viewer.seen == frames(1, 1)
    await viewer.leave()


async def test_the_owner_knows_that_somebody_watches_elsewhere(processes, server):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 1)
    assert not await owner.run_buffers.is_watched_elsewhere(run_id)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 1))
    assert await owner.run_buffers.is_watched_elsewhere(run_id)
    assert await elsewhere.run_buffers.has_elsewhere(run_id)
    assert buffer.listeners == 0
    await viewer.leave()
    assert 0 < await server.do("PTTL", f"adc:v1:watched:{run_id}") <= 10_000


async def test_a_closed_run_can_be_followed_for_a_while_and_then_goes_by_itself(processes, server):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 2)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 2))
    assert 900 < await server.do("TTL", key(run_id)) <= 1200
    buffer.close()
    await viewer.end()
    assert 0 < await server.do("TTL", key(run_id)) <= 900


async def test_a_run_whose_owner_is_gone_ends_and_the_owner_cannot_write_any_more(processes):
    owner, reaper, elsewhere = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 5)
    viewer = Viewer(elsewhere, run_id)
    ahead = Viewer(elsewhere, run_id, after=9)
    await viewer.sees(frames(1, 5))
    await reaper.run_buffers.terminate(run_id, b"ended by another")
    write(buffer, 6, 8)
    assert await viewer.end() == [*frames(1, 5), b"ended by another"]
    assert await ahead.end() == [b"ended by another"]
    await eventually(lambda: buffer.is_fenced)
    write(buffer, 9, 10)
    buffer.close()
    await asyncio.sleep(0.3)
    assert await Viewer(elsewhere, run_id, after=5).end() == [b"ended by another"]
    assert await Viewer(elsewhere, run_id, after=RESERVED_TERMINAL_ID).end() == []


async def test_an_owner_that_ends_under_the_reserved_id_is_seen_to(processes):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 3)
    buffer.append(RESERVED_TERMINAL_ID, b"end")
    buffer.close()
    assert await Viewer(elsewhere, run_id, after=2).end() == [frame(3), b"end"]
    assert not buffer.is_fenced


async def test_a_run_that_its_owner_has_ended_is_not_ended_again(processes):
    owner, reaper, elsewhere = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 2)
    buffer.close()
    assert await Viewer(elsewhere, run_id).end() == frames(1, 2)
    await reaper.run_buffers.terminate(run_id, b"ended by another")
    assert await Viewer(elsewhere, run_id).end() == frames(1, 2)


async def test_without_the_frames_before_it_the_end_is_left_to_the_database(processes):
    owner, reaper, elsewhere = processes
    run_id = a_run_id()
    viewer = Viewer(elsewhere, run_id)
    await reaper.run_buffers.terminate(run_id, b"ended by another")
    assert await viewer.end() == []
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 2)
    await eventually(lambda: buffer.is_fenced)
    assert await Viewer(elsewhere, run_id).end() == []


async def test_when_redis_forgets_everything_viewers_miss_nothing(processes, server):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 10)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 10))
    await server.do("FLUSHALL")
    write(buffer, 11, 20)
    await viewer.sees(frames(1, 20))
    await server.do("FLUSHALL")
    write(buffer, 21, 30)
    buffer.close()
    assert await viewer.end() == frames(1, 30)
    assert await Viewer(elsewhere, run_id).end() == frames(1, 30)


async def test_a_quiet_run_that_redis_forgot_comes_back_by_itself(processes, server):
    owner, elsewhere, _ = processes
    run_id = a_run_id()
    write(owner.run_buffers.open(run_id), 1, 10)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 10))
    await server.do("FLUSHALL")
    late = Viewer(elsewhere, run_id, after=3)
    fresh = Viewer(processes[2], run_id, after=3)
    await fresh.sees(frames(4, 10), within_s=15)
    await late.sees(frames(4, 10))
    for each in (viewer, late, fresh):
        await each.leave()


async def test_a_redis_that_went_back_in_time_gets_what_it_lacks(processes, server):
    owner, elsewhere, fresh = processes
    run_id = a_run_id()
    buffer = owner.run_buffers.open(run_id)
    write(buffer, 1, 3)
    viewer = Viewer(elsewhere, run_id)
    await viewer.sees(frames(1, 3))
    before = await server.do("DUMP", key(run_id))
    write(buffer, 4, 8)
    await viewer.sees(frames(1, 8))
    await server.do("RESTORE", key(run_id), 0, before, "REPLACE")
    write(buffer, 9, 12)
    buffer.close()
    assert await viewer.end() == frames(1, 12)
    assert await Viewer(fresh, run_id).end() == frames(1, 12)


async def test_a_viewer_ends_rather_than_skip_a_frame(processes, server):
    _, elsewhere, _ = processes
    run_id = a_run_id()
    for event_id, after in ((1, 0), (2, 1), (4, 3)):
        fields = ("frame", frame(event_id), "after", after)
        await server.do("XADD", key(run_id), f"{event_id}-0", *fields)
    assert await Viewer(elsewhere, run_id).end() == frames(1, 2)


async def test_two_hundred_viewers_at_once_take_few_connections(processes, server):
    owner, elsewhere, _ = processes
    crowded, *many = [a_run_id() for _ in range(101)]
    buffers = {run_id: owner.run_buffers.open(run_id) for run_id in (crowded, *many)}
    viewers = [Viewer(elsewhere, run_id) for run_id in [crowded] * 100 + many]
    for event_id in range(1, 41):
        for buffer in buffers.values():
            buffer.append(event_id, frame(event_id))
        await asyncio.sleep(0.02)
    connections = (await server.do("CLIENT", "LIST")).count(b"\n")
    for buffer in buffers.values():
        buffer.close()
    for viewer in viewers:
        assert await viewer.end() == frames(1, 40)
    assert connections < 60


async def test_what_was_written_last_is_not_lost_when_the_process_stops(processes, server):
    run_id = a_run_id()
    async with open_redis(server.url, SystemClock()) as stopping:
        buffer = stopping.run_buffers.open(run_id)
        write(buffer, 1, 500)
        buffer.close()
    assert await Viewer(processes[0], run_id).end() == frames(1, 500)
