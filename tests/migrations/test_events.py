"""How facts are numbered, listed and purged, asked of the database itself."""

import asyncio
import json

import pytest

from app.core.ids import new_id
from tests.conftest import connect

pytestmark = pytest.mark.anyio
ONE, OTHER = new_id(), new_id()


async def announce(connection, organization, count=1, type_="t", agent=None):
    await connection.executemany(
        "insert into agentes.outbox (id, organization_id, type, agent_id, data)"
        " values ($1, $2, $3, $4, '{}')",
        [(new_id(), organization, type_, agent) for _ in range(count)],
    )


async def number(connection, limit=1000):
    return json.loads(await connection.fetchval("select events_number_v2($1)", limit))


async def test_each_organization_counts_its_own_events(connection):
    for _ in range(3):
        await announce(connection, ONE, 2)
        await announce(connection, OTHER)
        await number(connection)
    rows = await connection.fetch("select * from agentes.events order by number")
    positions = {
        organization: [r["position"] for r in rows if str(r["organization_id"]) == organization]
        for organization in (ONE, OTHER)
    }
    assert positions == {ONE: [1, 2, 3, 4, 5, 6], OTHER: [1, 2, 3]}
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)


async def test_a_pass_tells_how_far_it_came_and_whether_another_is_under_way(
    cluster, database_name, connection
):
    assert await number(connection) == {"numbered": 0, "last": None, "is_busy": False}
    await announce(connection, ONE, 5)
    first = await number(connection, 2)
    assert (first["numbered"], first["is_busy"]) == (2, False)
    other = await connect(cluster, database_name)
    transaction = other.transaction()
    await transaction.start()
    under_way = await number(other)
    assert await number(connection) == {"numbered": 0, "last": None, "is_busy": True}
    await transaction.commit()
    await other.close()
    assert under_way == {"numbered": 3, "last": first["last"] + 3, "is_busy": False}


async def test_processes_of_the_release_before_number_in_the_same_order(connection):
    await announce(connection, ONE)
    await connection.fetchval("select events_number_v1()")
    await announce(connection, ONE)
    await number(connection)
    rows = await connection.fetch("select position from agentes.events order by number")
    assert [row["position"] for row in rows] == [1, 2]


async def test_passes_of_many_processes_leave_nothing_out(cluster, database_name, connection):
    several = [await connect(cluster, database_name) for _ in range(4)]

    async def write_and_number(one):
        for _ in range(25):
            await announce(one, ONE)
            await number(one)

    await asyncio.gather(*(write_and_number(one) for one in several))
    while (await number(connection))["numbered"]:
        pass
    for one in several:
        await one.close()
    rows = await connection.fetch("select position from agentes.events order by number")
    assert [row["position"] for row in rows] == list(range(1, 101))


async def call(connection, function, *values):
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    return json.loads(await connection.fetchval(f"select {function}({places})", *values) or "null")


async def purge(connection, limit=1000):
    return await call(connection, "events_purge_v1", limit)


def numbers(page):
    return [event["number"] for event in page["events"]]


async def an_old_and_a_new_history(connection, old, new):
    await announce(connection, ONE, old)
    await number(connection)
    await connection.execute("update agentes.events set occurred_at = now() - interval '8 days'")
    await announce(connection, ONE, new)
    await number(connection)


async def test_what_is_past_its_retention_goes_from_the_old_end(connection):
    await an_old_and_a_new_history(connection, 25, 5)
    await announce(connection, OTHER, 3)
    await number(connection)
    told = [await purge(connection, 10) for _ in range(3)]
    assert [one["purged"] for one in told] == [10, 10, 5]
    assert [one["is_done"] for one in told] == [False, False, True]
    assert await purge(connection, 10) == {"purged": 0, "is_done": True}
    kept = await connection.fetch(
        "select position from agentes.events where organization_id = $1", ONE
    )
    assert sorted(row["position"] for row in kept) == [26, 27, 28, 29, 30]
    assert await connection.fetchval("select count(*) from agentes.events") == 8


async def test_a_replay_goes_on_where_it_stopped_and_tells_where_history_begins(connection):
    await an_old_and_a_new_history(connection, 25, 5)
    whole = await call(connection, "events_replay_v1", ONE, 0, None, None, 20)
    assert (numbers(whole), whole["start"], whole["last"]) == (list(range(1, 21)), 0, 20)
    rest = await call(connection, "events_replay_v1", ONE, 20, None, None, 20)
    assert (numbers(rest), rest["last"], rest["head"]) == (list(range(21, 31)), 30, 30)
    await purge(connection)
    cut = await call(connection, "events_replay_v1", ONE, 3)
    assert (cut["start"], numbers(cut)) == (25, [26, 27, 28, 29, 30])
    beyond = await call(connection, "events_replay_v1", ONE, 31)
    assert (beyond["start"], numbers(beyond)) == (30, [])
    now = await call(connection, "events_replay_v1", ONE)
    assert (now["start"], now["last"], numbers(now)) == (30, 30, [])
    stranger = await call(connection, "events_replay_v1", OTHER, 7)
    assert (stranger["start"], stranger["last"], numbers(stranger)) == (0, 0, [])


async def test_a_filter_that_nothing_passes_is_looked_through_a_part_at_a_time(connection):
    await announce(connection, ONE, 6000)
    await announce(connection, ONE, 1, "rare")
    while (await number(connection))["numbered"]:
        pass
    first = await call(connection, "events_replay_v1", ONE, 0, '["rare"]')
    assert (numbers(first), first["last"]) == ([], 5000)
    second = await call(connection, "events_replay_v1", ONE, 5000, '["rare"]')
    assert (numbers(second), second["last"]) == ([6001], 6001)


async def test_a_follower_sees_its_organizations_only_and_goes_on_from_any_number(connection):
    for organization in (ONE, OTHER, ONE):
        await announce(connection, organization)
        await number(connection)
    start = await connection.fetchval("select min(number) - 1 from agentes.events")
    page = await call(connection, "events_follow_v1", start, json.dumps([ONE]), 10)
    assert [(e["organization_id"], e["number"]) for e in page["events"]] == [(ONE, 1), (ONE, 2)]
    assert page["last"] == start + 3
    short = await call(connection, "events_follow_v1", start, json.dumps([ONE, OTHER]), 2)
    assert (len(short["events"]), short["last"]) == (2, start + 2)
    assert await call(connection, "events_follow_v1", None, "[]", 10) == {
        "events": [],
        "last": start + 3,
    }


async def test_the_limits_of_streams_count_every_process_that_lives(connection):
    here, there = new_id(), new_id()

    async def admit(process, actor, of_actor, own, limits=(10, 100)):
        counts = (ONE, process, actor, of_actor, own, *limits)
        return await call(connection, "event_stream_admit_v1", *counts)

    assert await admit(here, "a", 10, 10)
    assert not await admit(there, "a", 1, 1)
    assert await admit(there, "b", 1, 90)
    assert not await admit(there, "c", 1, 91)
    assert await admit(there, "c", 1, 91, (10, None))
    # Of streams that are opened at once the later call may come first: all three are open.
    assert await admit(here, "d", 3, 13, (10, None))
    assert await admit(here, "d", 1, 11, (10, None))
    assert not await admit(there, "d", 1, 1, (3, None))
    await connection.execute("update agentes.event_hubs set seen_at = now() - interval '20 s'")
    assert await admit(there, "a", 1, 91)
    beat = json.dumps([{"organization_id": ONE, "actor": "z", "count": 4}])
    await call(connection, "event_streams_beat_v1", here, beat)
    figures = await call(connection, "system_figures_v1", json.dumps([ONE]))
    assert figures[ONE]["open_streams"] == 4 + 3


async def test_a_fact_that_was_numbered_is_not_numbered_again(connection):
    await announce(connection, ONE)
    await number(connection)
    await connection.execute(
        "insert into agentes.outbox (id, organization_id, type, data)"
        " select id, organization_id, type, data from agentes.events"
    )
    await announce(connection, ONE)
    assert (await number(connection))["numbered"] == 1
    rows = await connection.fetch("select position from agentes.events order by number")
    assert [row["position"] for row in rows] == [1, 2]
    assert await connection.fetchval("select count(*) from agentes.outbox") == 0


async def test_an_organization_may_keep_its_events_longer(connection):
    await an_old_and_a_new_history(connection, 3, 1)
    await connection.execute(
        "insert into agentes.organizations (id, slug, name) values ($1, 'x', 'X')", ONE
    )
    await connection.execute(
        """insert into agentes.settings (organization_id, document)
           values ($1, '{"retention_days": {"events": 30}}')""",
        ONE,
    )
    assert (await purge(connection))["purged"] == 0
    await connection.execute("delete from agentes.settings")
    await connection.execute("update agentes.event_heads set purge_at = now()")
    assert (await purge(connection))["purged"] == 3
