"""Open streams: how many, for how long, what they are told; no client holds others up."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from app.container import open_ports
from app.core.ids import new_id
from app.features.events.audience import Listener
from app.features.events.hub import Hub
from app.features.events.numbering import number_events
from app.features.events.records import EventFilter, StreamLimits
from app.features.events.stream import DashboardStream
from app.features.events.upkeep import Upkeep
from app.ports.store import StoreUnavailable
from app.web.auth import Caller, InvalidCredential
from app.web.limits import TooManyStreams
from app.web.outlet import Outlet
from tests.support.event_streams import DASHBOARD, announce, listening, local_organization

pytestmark = pytest.mark.anyio


class Desk:
    """A hub over real ports, with listeners whose frames are kept."""

    def __init__(self, hub, tasks, ports):
        self.hub, self.tasks = hub, tasks
        self.upkeep = Upkeep(hub, ports.clock, ports.bus)

    async def listen(
        self, organization, *, actor="a", credential="c", after=None, limits=(None, None), **filters
    ):
        caller = Caller(organization, actor, frozenset({"events:read"}))
        answers = [caller]

        async def authenticate():
            if isinstance(answers[-1], Exception):
                raise answers[-1]
            return answers[-1]

        listener = Listener(
            caller, credential, authenticate, EventFilter(**filters), StreamLimits(*limits)
        )
        frames = []

        async def send(message):
            frames.append(message["body"])

        outlet = Outlet(send, self.tasks, lambda: None, 1)
        stream = DashboardStream(self.hub, listener, after=after)
        await outlet.send(await stream.begin())
        await stream.attach(outlet)
        return Opened(stream, listener, outlet, frames, answers)


class Opened:
    def __init__(self, stream, listener, outlet, frames, answers):
        self.stream, self.listener, self.outlet = stream, listener, outlet
        self.frames, self.answers = frames, answers

    @property
    def events(self):
        found = []
        for frame in b"".join(self.frames).decode().split("\n\n"):
            found += [json.loads(line[6:]) for line in frame.split("\n") if line[:6] == "data: "]
        return found

    async def told(self, count):
        async with asyncio.timeout(10):
            while len(self.events) < count:
                await asyncio.sleep(0.01)
        return self.events


@pytest.fixture
async def desk(settings):
    async with open_ports(settings) as ports, asyncio.TaskGroup() as tasks:
        hub = Hub(ports, tasks)
        works = [tasks.create_task(work()) for work in (hub.hear, hub.follow)]
        works.append(tasks.create_task(number_events(ports)))
        yield Desk(hub, tasks, ports)
        for work in works:
            work.cancel()


async def test_an_organization_is_told_of_what_is_under_way(desk, connection):
    one, other = new_id(), new_id()
    everything = await desk.listen(one)
    await desk.listen(one, actor="b")
    only = await desk.listen(other, types=frozenset({"lead_captured"}))
    chosen = await desk.listen(other, types=frozenset({"system_update"}))
    await desk.upkeep.count_streams()
    await desk.upkeep.tell_figures()
    [update] = everything.events
    assert update["type"] == "system_update"
    assert update["data"] == {
        "active_runs": 0,
        "open_streams": 2,
        "documents_waiting": 0,
        "deliveries_waiting": 0,
        "processes": 0,
    }
    assert b"id: " not in everything.frames[-1]
    assert only.events == []
    assert [event["data"]["open_streams"] for event in chosen.events] == [2]
    # It is no fact: no number, no place in history.
    assert await connection.fetchval("select count(*) from agentes.events") == 0


async def test_whoever_has_had_nothing_for_long_is_sent_a_comment(desk):
    silent, lively = await desk.listen(new_id()), await desk.listen(new_id())
    silent.outlet.wrote_s -= 20
    await desk.upkeep.keep_alive()
    await desk.upkeep.keep_alive()
    assert silent.frames[1:] == [b": keep-alive\n\n"]
    assert lively.frames[1:] == []


async def test_streams_end_with_their_credential(desk):
    organization = new_id()
    kept = await desk.listen(organization)
    revoked = [await desk.listen(organization, credential="r") for _ in range(2)]
    narrowed = await desk.listen(organization, credential="n")
    unknown = await desk.listen(organization, credential="u")
    for one in revoked:
        one.answers.append(InvalidCredential())
    narrowed.answers.append(Caller(organization, "a", frozenset({"chat"})))
    unknown.answers.append(StoreUnavailable())
    await desk.upkeep.check_credentials()
    assert {one.outlet.reason for one in (*revoked, narrowed)} == {"credential_ended"}
    assert {one.outlet.reason for one in (kept, unknown)} == {None}


async def test_the_end_of_a_stream_counts_at_once(desk):
    organization, limits = new_id(), (10, 100)
    streams = [await desk.listen(organization, limits=limits) for _ in range(10)]
    with pytest.raises(TooManyStreams, match="At most 10 of one caller"):
        await desk.listen(organization, limits=limits)
    streams[0].stream.leave()
    streams[0].stream.leave()
    streams.append(await desk.listen(organization, limits=limits))
    for actor in "bcdefghij":
        streams += [await desk.listen(organization, actor=actor, limits=limits) for _ in range(10)]
    with pytest.raises(TooManyStreams):
        await desk.listen(organization, actor="k", limits=limits)
    for stream in streams:
        stream.stream.leave()
    assert not desk.hub.open
    assert not desk.hub.organizations


async def test_a_stream_too_many_is_refused(client):
    limits = {"rate_limits": {"open_streams": 3}}
    assert (await client.patch("/api/v2/settings", json=limits)).status_code == 200
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(listening(client))
        answer = await client.get(DASHBOARD)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
    assert int(answer.headers["retry-after"]) > 0


async def test_streams_that_open_while_events_come_miss_none(desk, connection):
    """The hand-over from what was read to what is published, at any moment."""
    organizations = [new_id() for _ in range(3)]
    stop = asyncio.Event()

    async def write():
        while not stop.is_set():
            for organization in organizations:
                await announce(connection, organization, 3)
            await asyncio.sleep(0)

    writing = asyncio.ensure_future(write())
    opened = []
    for place in range(60):
        organization = organizations[place % 3]
        after = None if place % 2 else 0
        opened.append(await desk.listen(organization, after=after))
        await asyncio.sleep(0.002)
    stop.set()
    await writing
    heads = {
        str(row["organization_id"]): row["n"]
        for row in await connection.fetch(
            "select organization_id, count(*) as n from"
            " (select organization_id from agentes.events"
            "  union all select organization_id from agentes.outbox) e group by 1"
        )
    }
    for one in opened:
        head = heads[one.listener.caller.organization_id]
        async with asyncio.timeout(10):
            while one.listener.position < head:
                await asyncio.sleep(0.01)
        first = int(one.frames[0].split(b"id: ")[1])
        ids = [
            int(line[4:])
            for line in b"".join(one.frames[1:]).decode().split("\n")
            if line.startswith("id: ")
        ]
        assert ids == list(range(first + 1, head + 1))


@asynccontextmanager
async def stalled(url, key):
    """A client that asks for the stream and never reads."""
    address = urlsplit(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (address.hostname, address.port))
    request = f"GET {DASHBOARD} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\n\r\n"
    await loop.sock_sendall(client, request.encode())
    try:
        yield client
    finally:
        client.close()


async def had_before_it_was_cut_off(client):
    """The bytes that had reached it; a stream that goes on would not end."""
    loop, count = asyncio.get_running_loop(), 0
    with suppress(ConnectionResetError):
        while chunk := await loop.sock_recv(client, 1 << 20):
            count += len(chunk)
    return count


@pytest.mark.once
async def test_clients_that_do_not_read_are_cut_off_and_hold_nobody_up(client, connection):
    organization = await local_organization(connection)
    url, key = str(client.base_url), client.headers["authorization"]
    async with AsyncExitStack() as stack:
        deaf = [await stack.enter_async_context(stalled(url, key)) for _ in range(20)]
        reader = await stack.enter_async_context(listening(client))
        await reader.begun()
        insert = (
            "insert into agentes.outbox (id, organization_id, type, data) select agentes.uuid_v7(),"
            " $1, 'message_received', jsonb_build_object('text', repeat('x', 3000))"
            " from generate_series(1, 500)"
        )
        events = []
        for _ in range(6):
            await connection.execute(insert, organization)
            events += await reader.take(500)
        assert [event["number"] for event in events] == list(range(1, 3001))
        async with asyncio.timeout(20):
            counts = [await had_before_it_was_cut_off(one) for one in deaf]
        assert max(counts) < 3000 * 3000
        await announce(connection, organization)
        assert (await reader.take(1))[0]["number"] == 3001
