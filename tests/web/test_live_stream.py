"""A stream that a publisher writes to: nobody waits for a slow client, and nothing is mixed up."""

import asyncio
from contextlib import suppress

import pytest
from fastapi import FastAPI

from app.web.live_stream import LiveStream
from app.web.outlet import Outlet

pytestmark = [pytest.mark.anyio, pytest.mark.once]


class Wire:
    """A server's `send` and `receive`, whose client may stop reading, leave, or be hung up on."""

    def __init__(self):
        self.taken, self.messages = asyncio.Event(), []
        self.left = asyncio.Event()
        self.transport = self
        self.taken.set()

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages)

    async def send(self, message):
        await self.taken.wait()
        if not self.left.is_set():
            self.messages.append(message)

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    def abort(self):
        self.left.set()
        self.taken.set()


class Source:
    """What a stream shows; `attached` gives its outlet."""

    def __init__(self, tasks):
        self.tasks, self.left = tasks, 0
        self.attached = asyncio.get_running_loop().create_future()

    async def begin(self):
        return b"retry: 2000\n\n"

    async def attach(self, outlet):
        self.attached.set_result(outlet)

    def leave(self):
        self.left += 1


@pytest.fixture
async def tasks():
    async with asyncio.TaskGroup() as group:
        yield group


def served(tasks, wire, source, **options):
    state = {"transport": wire, "started_s": 0.0}
    scope = {"type": "http", "method": "GET", "app": FastAPI(), "state": state}
    response = LiveStream(source, **options)
    return asyncio.ensure_future(response(scope, wire.receive, wire.send))


async def test_a_client_that_reads_has_each_frame_before_the_publisher_goes_on(tasks):
    wire, source = Wire(), Source(tasks)
    serving = served(tasks, wire, source)
    outlet = await source.attached
    outlet.write(b"a\n\n", events=1, now_s=0)
    assert wire.body == b"retry: 2000\n\na\n\n"
    wire.left.set()
    await asyncio.wait_for(serving, 5)
    assert source.left
    assert outlet.reason == "client_left"


async def test_what_a_slow_client_has_not_taken_arrives_in_order(tasks):
    wire, source = Wire(), Source(tasks)
    serving = served(tasks, wire, source)
    outlet = await source.attached
    wire.taken.clear()
    for number in range(100):
        outlet.write(b"%d\n\n" % number, events=1, now_s=0)
    assert outlet.is_stuck
    wire.taken.set()
    async with asyncio.timeout(5):
        while outlet.is_stuck:
            await asyncio.sleep(0)
    outlet.write(b"100\n\n", events=1, now_s=0)
    assert wire.body.split(b"\n\n")[1:-1] == [b"%d" % number for number in range(101)]
    # Those that waited together left together.
    assert len(wire.messages) == 5
    wire.left.set()
    await asyncio.wait_for(serving, 5)


@pytest.mark.parametrize(("count", "size"), [(258, 1), (3, 600_000)])
async def test_a_client_that_lets_too_much_wait_is_hung_up_on(tasks, count, size):
    wire, source = Wire(), Source(tasks)
    serving = served(tasks, wire, source)
    outlet = await source.attached
    wire.taken.clear()
    for _ in range(count):
        outlet.write(b"x" * size, events=1, now_s=0)
    await asyncio.wait_for(serving, 5)
    assert outlet.reason == "slow_client"
    assert wire.left.is_set()
    assert source.left


@pytest.mark.parametrize("when", ["replaying", "live"])
async def test_a_client_that_takes_nothing_for_long_is_hung_up_on(tasks, when):
    wire, source = Wire(), Source(tasks)

    async def attach(outlet):
        wire.taken.clear()
        await outlet.send(b"x")

    if when == "replaying":
        source.attach = attach
    serving = served(tasks, wire, source, patience_s=0.05)
    if when == "live":
        outlet = await source.attached
        wire.taken.clear()
        outlet.write(b"x", events=1, now_s=0)
    await asyncio.wait_for(serving, 5)
    assert wire.left.is_set()
    assert source.left


async def test_whoever_is_closed_on_is_told_why_and_let_go_politely(tasks):
    wire, source = Wire(), Source(tasks)
    serving = served(tasks, wire, source)
    outlet = await source.attached
    outlet.close("credential_ended")
    outlet.close("stopping")
    await asyncio.wait_for(serving, 5)
    assert wire.messages[-1]["body"] == b": closed: credential_ended\n\n"
    assert not wire.messages[-1].get("more_body")
    assert not wire.left.is_set()


async def test_a_client_that_leaves_stops_an_endless_replay(tasks):
    wire, source = Wire(), Source(tasks)

    async def attach(outlet):
        source.attached.set_result(outlet)
        while True:
            await outlet.send(b"x")
            await asyncio.sleep(0)

    source.attach = attach
    serving = served(tasks, wire, source)
    await source.attached
    wire.left.set()
    await asyncio.wait_for(serving, 5)
    assert source.left


async def test_a_send_that_fails_ends_that_stream_only(tasks):
    wire, source = Wire(), Source(tasks)
    serving = served(tasks, wire, source)
    outlet = await source.attached

    async def broken(message):
        raise RuntimeError("the server's own")

    other = Outlet(broken, tasks, lambda: None, 1)
    other.write(b"x", events=1, now_s=0)
    assert other.reason == "broken"
    outlet.write(b"y", events=1, now_s=0)
    assert wire.body.endswith(b"y")
    wire.left.set()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(serving, 5)
