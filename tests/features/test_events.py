"""Events as a live stream and as history."""

import asyncio

import pytest

from app.core.ids import new_id
from tests.support.event_streams import DASHBOARD, announce, listening, local_organization
from tests.support.stories import an_agent, asking, stream

pytestmark = pytest.mark.anyio
EVENTS = "/api/v2/events"


@pytest.fixture
async def organization(client, connection):
    return await local_organization(connection)


def numbers(events):
    return [event["number"] for event in events]


async def test_what_happens_is_streamed_as_it_happens_and_listed_after(client):
    agent = await an_agent(client)
    async with listening(client) as reader:
        assert await reader.begun() == {"retry": "2000", "id": "0"}
        await stream(client, agent["id"], asking("Oi"))
        events = await reader.take(3)
        headers = reader.answer.headers
    types = [event["type"] for event in events]
    assert types == ["conversation_started", "message_received", "message_completed"]
    assert numbers(events) == [1, 2, 3]
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers
    listed = (await client.get(EVENTS)).json()["data"]
    assert [one["id"] for one in listed] == [event["id"] for event in reversed(events)]
    for event, one in zip(events, reversed(listed), strict=True):
        assert {name: one[name] for name in event} == event
        assert one["agent_id"] == agent["id"]


async def test_a_stream_goes_on_where_another_stopped(client, connection, organization):
    ids = await announce(connection, organization, 450)
    async with listening(client, 0) as reader:
        first = await reader.take(237)
    async with listening(client, first[-1]["number"]) as reader:
        ids += await announce(connection, organization, 3)
        rest = await reader.take(453 - 237)
    assert [event["id"] for event in first + rest] == ids
    assert numbers(first + rest) == list(range(1, 454))
    assert first[0]["data"] == {"place": 0, "text": "João 😀\n"}


@pytest.mark.once
async def test_cut_at_random_no_stream_misses_or_repeats_an_event(client, connection, organization):
    ids, stop = [], asyncio.Event()

    async def write():
        while not stop.is_set():
            ids.extend(await announce(connection, organization, 7))
            await asyncio.sleep(0.01)

    async def read(seed):
        seen, after = [], 0
        for cut in range(12):
            async with listening(client, after) as reader:
                seen += await reader.take(1 + (seed * 31 + cut * 17) % 23)
                after = seen[-1]["number"]
        return seen

    writing = asyncio.ensure_future(write())
    streams = await asyncio.gather(*(read(seed) for seed in range(5)))
    stop.set()
    await writing
    for seen in streams:
        assert numbers(seen) == list(range(1, len(seen) + 1))
        assert [event["id"] for event in seen] == ids[: len(seen)]


@pytest.mark.parametrize("after", ["7", "abc", "-1", "1" * 30, "9" * 5000, "\u0663"])
async def test_a_number_that_history_does_not_have_is_told_as_a_gap(
    client, connection, organization, after
):
    await announce(connection, organization, 5)
    header = after if after.isascii() and len(after) < 100 else None
    query = {} if header else {"last_event_id": after}
    async with listening(client, header, **query) as reader:
        assert await reader.begun() == {"retry": "2000", "id": "5"}
        assert await reader.take(1) == [{"number": 5, "type": "gap"}]
        await announce(connection, organization)
        assert numbers(await reader.take(1)) == [6]


async def test_history_that_is_gone_is_told_as_a_gap_and_as_410(client, connection, organization):
    await announce(connection, organization, 5)
    await connection.execute(
        "update agentes.events set occurred_at = now() - interval '8 days' where position < 4"
    )
    await connection.fetchval("select events_purge_v1(1000)")
    async with listening(client, 1) as reader:
        events = await reader.take(3)
    assert events[0] == {"number": 3, "type": "gap"}
    assert numbers(events[1:]) == [4, 5]
    async with listening(client, 3) as reader:
        assert numbers(await reader.take(2)) == [4, 5]
    gone = await client.get(EVENTS, params={"after": 2})
    assert (gone.status_code, gone.json()["code"]) == (410, "history_gone")
    assert gone.json()["oldest_after"] == 3
    for after in (0, 3):
        page = await client.get(EVENTS, params={"after": after})
        assert numbers(page.json()["data"]) == [4, 5]
    assert (await client.get(EVENTS, params={"after": 5})).json()["data"] == []
    beyond = await client.get(EVENTS, params={"after": 6})
    assert (beyond.status_code, beyond.json()["code"]) == (410, "history_gone")


async def test_the_header_wins_over_the_query(client, connection, organization):
    await announce(connection, organization, 5)
    async with listening(client, 3, last_event_id=1) as reader:
        assert numbers(await reader.take(2)) == [4, 5]


async def test_filters_hold_for_what_was_and_for_what_comes(client, connection, organization):
    agent = new_id()

    async def write():
        await announce(connection, organization, 2)
        await announce(connection, organization, 2, type_="lead_captured")
        await announce(connection, organization, 1, type_="lead_captured", agent=agent)

    await write()
    async with (
        listening(client, 0, types="lead_captured,unheard_of") as leads,
        listening(client, 0, agent_id=agent) as of_agent,
    ):
        assert numbers(await leads.take(3)) == [3, 4, 5]
        assert numbers(await of_agent.take(1)) == [5]
        await write()
        assert numbers(await leads.take(3)) == [8, 9, 10]
        assert numbers(await of_agent.take(1)) == [10]
    listed = await client.get(EVENTS, params={"types": "lead_captured", "agent_id": agent})
    assert numbers(listed.json()["data"]) == [10, 5]
    refused = await client.get(EVENTS, params={"types": "a b"})
    assert refused.status_code == 422


async def test_history_is_paged_in_both_directions(client, connection, organization):
    await announce(connection, organization, 25)

    async def pages(**query):
        found, cursor = [], None
        while True:
            paged = {"limit": 10, **query} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(EVENTS, params=paged)).json()
            found += numbers(page["data"])
            if (cursor := page["next_cursor"]) is None:
                return found

    assert await pages() == list(range(25, 0, -1))
    assert await pages(after=3) == list(range(4, 26))
    moments = (await client.get(EVENTS, params={"limit": 1})).json()["data"][0]["timestamp"]
    assert await pages(to="2020-01-01") == []
    assert await pages(**{"from": "2020-01-01"}) == list(range(25, 0, -1))
    assert moments.endswith("Z")


async def test_nobody_sees_the_events_of_another_organization(client, connection, organization):
    other = new_id()
    async with listening(client, 0) as reader:
        for _ in range(3):
            await announce(connection, other, 2)
            await announce(connection, organization)
        events = await reader.take(3)
    # Not even how many there were.
    assert numbers(events) == [1, 2, 3]
    assert numbers((await client.get(EVENTS)).json()["data"]) == [3, 2, 1]


async def test_a_ticket_opens_one_stream(client, connection, organization):
    await announce(connection, organization, 4)
    answer = await client.post(f"{EVENTS}/tickets")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    ticket = answer.json()
    assert ticket["last_event_id"] == 4
    bare = {"headers": {"Authorization": ""}, "params": {"ticket": ticket["ticket"]}}
    del client.headers["Authorization"]

    async def status():
        async with client.stream("GET", DASHBOARD, params=bare["params"]) as opened:
            return opened.status_code

    statuses = await asyncio.gather(*(status() for _ in range(10)))
    assert sorted(statuses) == [200] + [401] * 9
    refused = await client.get(DASHBOARD, params=bare["params"])
    assert refused.json()["code"] == "invalid_ticket"
    assert refused.headers["www-authenticate"] == "Bearer"
    assert ticket["ticket"] not in refused.text


async def test_a_ticket_ends_after_a_minute(client, connection):
    ticket = (await client.post(f"{EVENTS}/tickets")).json()["ticket"]
    await connection.execute("update agentes.event_tickets set expires_at = now()")
    del client.headers["Authorization"]
    assert (await client.get(DASHBOARD, params={"ticket": ticket})).status_code == 401


async def test_a_key_in_the_address_opens_nothing(client):
    key = client.headers.pop("Authorization").removeprefix("Bearer ")
    for name in ("ticket", "token", "access_token", "api_key", "authorization"):
        assert (await client.get(DASHBOARD, params={name: key})).status_code == 401


async def test_a_head_request_for_the_stream_ends(client):
    answer = await client.head(DASHBOARD)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_stream_ends_with_its_revoked_key_within_five_seconds(client):
    path = "/api/v2/settings/api-keys"
    made = await client.post(path, json={"name": "TV", "scopes": ["events:read"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    async with client.stream("GET", "/api/v2/events/dashboard", headers=headers) as stream:
        assert stream.status_code == 200
        chunks = stream.aiter_text()
        await anext(chunks)
        assert (await client.delete(f"{path}/{made.json()['id']}")).status_code == 204
        async with asyncio.timeout(4):  # sooner than the next look around
            text = "".join([chunk async for chunk in chunks])
    assert text.endswith(": closed: credential_ended\n\n")
