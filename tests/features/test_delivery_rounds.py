"""Deliveries over time: switched off, recovered, shared, limited, purged."""

import asyncio
import json
from datetime import timedelta

import pytest

from app.core.ids import new_id
from tests.support.receiver import answering, hanging, receiving
from tests.support.webhooks import (
    WEBHOOKS,
    a_delivery,
    a_webhook,
    after_a_test,
    announce,
    deliveries,
    due_now,
    reaching_loopback,
)

pytestmark = [pytest.mark.anyio, pytest.mark.once]

UNDER_WAY = """
select count(*) from agentes.webhook_deliveries
 where status = 'sending' or (status = 'pending' and attempts = 0)
"""


@pytest.fixture
def settings(settings):
    return reaching_loopback(settings)


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def until(client, webhook, count, **filters):
    """The deliveries that fit, once there are so many."""
    async with asyncio.timeout(10):
        while len(found := await deliveries(client, webhook, **filters)) < count:
            await asyncio.sleep(0.05)
    return found


async def test_an_event_goes_to_every_endpoint_that_wants_it_and_to_no_other(
    client, connection, receiver
):
    agent = new_id()
    wanting = [
        await a_webhook(client, receiver.url, events=events)
        for events in (["*"], ["lead_*"], ["lead_captured"], ["form_*", "lead_captured", "pedido"])
    ]
    not_wanting = [
        await a_webhook(client, receiver.url, events=["form_*"]),
        await a_webhook(client, receiver.url, events=["leads_*"]),
        await a_webhook(client, receiver.url, is_active=False),
    ]
    await connection.execute(
        "update agentes.webhooks set agent_id = $1 where id = $2",
        agent,
        (narrowed := await a_webhook(client, receiver.url))["id"],
    )
    await announce(connection, {"n": 1})
    await receiver.wait_for(len(wanting))
    await announce(connection, {"n": 2}, agent_id=agent)
    await receiver.wait_for(2 * len(wanting) + 1)
    late = await a_webhook(client, receiver.url)
    await asyncio.sleep(1.2)
    assert len(receiver.arrived) == 2 * len(wanting) + 1
    for webhook in wanting:
        assert len(await deliveries(client, webhook)) == 2
    for webhook in (*not_wanting, late):
        assert await deliveries(client, webhook) == []
    assert len(await deliveries(client, narrowed)) == 1
    numbers = [json.loads(one.body)["data"]["n"] for one in receiver.arrived]
    assert sorted(numbers) == [1] * 4 + [2] * 5


async def test_wh60_what_is_rolled_back_is_never_sent(client, connection, receiver):
    await a_webhook(client, receiver.url)
    transaction = connection.transaction()
    await transaction.start()
    await announce(connection, {"n": "gone"})
    await transaction.rollback()
    await announce(connection, {"n": "kept"})
    await receiver.wait_for(1)
    await asyncio.sleep(0.3)
    assert [json.loads(body)["data"]["n"] for body in receiver.bodies()] == ["kept"]


async def test_wh45_switched_off_nothing_is_sent_and_switched_on_nothing_floods(
    client, connection, receiver
):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    path = f"{WEBHOOKS}/{webhook['id']}"
    await announce(connection, {"n": 1}, {"n": 2})
    await receiver.wait_for(2)
    await client.patch(path, json={"is_active": False})
    await until(client, webhook, 2, status="skipped")
    await announce(connection, {"n": 3})
    await asyncio.sleep(1.2)
    receiver.behave = answering(204)
    await client.patch(path, json={"is_active": True})
    await announce(connection, {"n": 4})
    arrived = await receiver.wait_for(3)
    await asyncio.sleep(0.5)
    assert json.loads(arrived[-1].body)["data"] == {"n": 4}
    assert len(arrived) == 3
    (refused,) = [
        (await client.post(f"{WEBHOOKS}/deliveries/{one['id']}/retry")).status_code
        for one in (await deliveries(client, webhook, status="skipped"))[:1]
    ]
    assert refused == 200, "what was skipped can be sent by hand"
    await receiver.wait_for(4)


async def test_a_webhook_that_is_off_refuses_tests_and_recoveries(client, receiver):
    webhook = await a_webhook(client, receiver.url, is_active=False)
    for path, body in (("test", None), ("recover", {"since": "2026-11-25"})):
        answer = await client.post(f"{WEBHOOKS}/{webhook['id']}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_inactive")


async def test_deleted_what_waits_is_skipped_and_the_log_stays(client, connection, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
    await client.delete(f"{WEBHOOKS}/{webhook['id']}")
    told = await a_delivery(client, delivery["id"])
    assert told["status"] == "skipped"
    assert [one["id"] for one in await deliveries(client, webhook)] == [delivery["id"]]
    async with asyncio.timeout(5):
        while await connection.fetchval("select count(*) from agentes.webhook_lanes"):
            await asyncio.sleep(0.05)


async def test_wh47_a_recovery_sends_each_that_has_not_arrived_once_and_tells_how_far_it_is(
    client, connection, receiver
):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url, retry_count=0)
    await announce(connection, *({"n": n} for n in range(6)))
    await until(client, webhook, 6, status="failed")
    await connection.execute("update agentes.webhook_lanes set held_until = '-infinity'")
    receiver.behave = answering(204)
    await announce(connection, {"n": 6})
    await until(client, webhook, 1, status="succeeded")
    before = len(receiver.arrived)
    path = f"{WEBHOOKS}/{webhook['id']}/recover"
    # As if a process had been killed after the first batch.
    order = (await client.post(path, json={"since": webhook["created_at"]})).json()
    await until(client, webhook, 7, status="succeeded")
    recovery = (await client.get(f"{WEBHOOKS}/recoveries/{order['id']}")).json()
    assert (recovery["status"], recovery["requeued"]) == ("completed", 6)
    again = [json.loads(body)["data"]["n"] for body in receiver.bodies()[before:]]
    assert sorted(again) == list(range(6))


async def test_wh47_what_failed_more_than_two_weeks_ago_is_not_recovered(client, receiver):
    webhook = await a_webhook(client, receiver.url)
    answer = await client.post(
        f"{WEBHOOKS}/{webhook['id']}/recover", json={"since": "2026-01-01T00:00:00Z"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "since_too_long_ago")


async def test_wh44_after_five_days_of_failures_only_a_webhook_is_switched_off(
    client, connection, receiver
):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    path = f"{WEBHOOKS}/{webhook['id']}"

    async def after_one_more(since, last):
        await connection.execute(
            """update agentes.webhook_lanes set failing_since = now() - $1::interval,
                      last_failed_at = now() - $2::interval, held_until = '-infinity'""",
            since,
            last,
        )
        count = len(receiver.arrived)
        await announce(connection, {"n": 1})
        await receiver.wait_for(count + 1)
        async with asyncio.timeout(10):
            while await connection.fetchval(UNDER_WAY):
                await asyncio.sleep(0.02)
        return (await client.get(path)).json()

    day = timedelta(days=1)
    assert (await after_one_more(4.9 * day, day))["is_active"]
    assert (await after_one_more(6 * day, 2 * day))["is_active"], "an old failure by itself"
    receiver.behave = answering(204)
    assert (await after_one_more(6 * day, day))["is_active"], "a success forgives"
    receiver.behave = answering(500)
    after = await after_one_more(5.1 * day, day)
    assert (after["is_active"], after["disabled_reason"]) == (False, "failing")
    again = (await client.patch(path, json={"is_active": True})).json()
    assert (again["is_active"], again["disabled_reason"]) == (True, None)


async def test_wh44_an_attempt_by_hand_never_switches_off_and_a_good_one_forgives(
    client, connection, receiver
):
    webhook = await a_webhook(client, receiver.url, retry_count=0)
    path = f"{WEBHOOKS}/{webhook['id']}"
    failing = """update agentes.webhook_lanes set failing_since = now() - interval '121 hours',
                        last_failed_at = now() - interval '20 hours', recent = 'f'"""
    since = "select failing_since from agentes.webhook_lanes"
    await connection.execute(failing)
    receiver.behave = answering(500)
    tried = await after_a_test(client, webhook)
    assert tried["status"] == "failed"
    assert (await client.get(path)).json()["is_active"]
    assert await connection.fetchval(since) is not None
    receiver.behave = answering(204)
    assert (await after_a_test(client, webhook))["status"] == "succeeded"
    assert (await client.get(path)).json()["is_active"]
    assert await connection.fetchval(since) is None
    await connection.execute(failing)
    retried = await client.post(f"{WEBHOOKS}/deliveries/{tried['id']}/retry")
    assert (retried.json()["status"], retried.json()["finished_at"]) == ("pending", None)
    await until(client, webhook, 2, status="succeeded")
    assert (await client.get(path)).json()["is_active"]


async def test_a_recovery_never_sends_what_a_test_made_up(client, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    tried = await after_a_test(client, webhook, event_type="lead_captured")
    await client.post(f"{WEBHOOKS}/deliveries/{tried['id']}/retry")
    await receiver.wait_for(2)
    await until(client, webhook, 1, status="failed")
    receiver.behave = answering(204)
    path = f"{WEBHOOKS}/{webhook['id']}/recover"
    order = (await client.post(path, json={"since": webhook["created_at"]})).json()
    async with asyncio.timeout(10):
        while True:
            told = (await client.get(f"{WEBHOOKS}/recoveries/{order['id']}")).json()
            if told["status"] == "completed":
                break
            await asyncio.sleep(0.05)
    assert told["requeued"] == 0
    assert len(receiver.arrived) == 2


async def test_wh73_after_seven_failures_one_tries_until_it_succeeds(client, connection, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url, retry_count=9)
    await announce(connection, *({"n": n} for n in range(30)))
    await receiver.wait_for(7)
    await asyncio.sleep(1.2)
    assert len(receiver.arrived) < 20, "the breaker must have opened"
    lane = await connection.fetchrow("select * from agentes.webhook_lanes")
    assert lane["is_tripped"]
    tried = await connection.fetchval("select max(tries) from agentes.webhook_deliveries")
    assert tried == 1, "what was not attempted burns no attempt"
    receiver.behave = answering(204)
    count = len(receiver.arrived)
    await connection.execute("update agentes.webhook_lanes set held_until = '-infinity'")
    await receiver.wait_for(count + 1)
    await due_now(connection)
    await until(client, webhook, 30, status="succeeded")
    assert not await connection.fetchval("select is_tripped from agentes.webhook_lanes")


async def test_wh72_an_endpoint_is_sent_as_many_a_second_as_it_wants(client, connection, receiver):
    await a_webhook(client, receiver.url, max_per_second=10)
    await announce(connection, *({"n": n} for n in range(40)))
    arrived = await receiver.wait_for(30, within_s=15)
    took_s = arrived[29].at_s - arrived[0].at_s
    assert took_s > 2, "of ten a second, five may come at once"


async def test_at_most_ten_are_under_way_to_an_endpoint(client, connection, receiver):
    async def slow(_arrived, _writer):
        await asyncio.sleep(0.05)
        return b"HTTP/1.1 204 X\r\n\r\n"

    receiver.behave = slow
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, *({"n": n} for n in range(100)))
    await until(client, webhook, 100, status="succeeded")
    assert 5 <= receiver.most_under_way <= 10


async def test_wh70_a_hanging_endpoint_does_not_hold_up_the_others(client, connection):
    async with receiving(hanging) as hung, receiving() as healthy:
        for _ in range(3):
            await a_webhook(client, hung.url, timeout=10)
        await a_webhook(client, healthy.url)
        await announce(connection, *({"n": n} for n in range(50)))
        await hung.wait_for(6)
        await healthy.wait_for(50)
        count = len(healthy.arrived)
        await announce(connection, *({"n": n} for n in range(50)))
        await healthy.wait_for(count + 50, within_s=8)
        assert hung.most_under_way <= 30


async def test_wh53_what_is_old_goes_and_what_waits_stays(client, connection, receiver):
    webhook = await a_webhook(client, receiver.url)
    await after_a_test(client, webhook)
    for status, days in (("succeeded", 29), ("failed", 31), ("pending", 32), ("skipped", 40)):
        await connection.execute(
            """insert into agentes.webhook_deliveries (id, organization_id, webhook_id, message_id,
                                                      event_type, status, next_attempt_at)
               select agentes.uuid_at(now() - $2::int * interval '1 day'), organization_id, id,
                      gen_random_uuid(), 'x', $1, 'infinity' from agentes.webhooks""",
            status,
            days,
        )
    await connection.execute("select deliveries_purge_v2(30, 1000)")
    left = await connection.fetch("select status from agentes.webhook_deliveries order by id")
    assert [row["status"] for row in left] == ["pending", "succeeded", "succeeded"]
    # With an organization that keeps them for less go the bodies, too.
    kept = await client.patch("/api/v2/settings", json={"retention_days": {"deliveries": 1}})
    assert kept.status_code == 200, kept.text
    await connection.execute(
        "update agentes.webhook_deliveries set id = agentes.uuid_at(now() - interval '2 days')"
        " where message_id in (select id from agentes.webhook_messages)"
    )
    await connection.execute("select deliveries_purge_v2(30, 1000)")
    assert await connection.fetchval("select count(*) from agentes.webhook_messages") == 0


async def test_endpoints_that_begin_to_hang_hold_up_no_other_organization(client, connection):
    async with receiving(hanging) as hung, receiving() as healthy:
        hooks = [await a_webhook(client, hung.url, timeout=10) for _ in range(8)]
        await a_webhook(client, healthy.url)
        for number in range(4):
            await connection.execute(
                """with moved as (
                     insert into agentes.organizations
                     select (jsonb_populate_record(o, jsonb_build_object(
                              'id', gen_random_uuid(), 'slug', $1::text))).*
                       from agentes.organizations o where slug = 'local' returning id
                   ), webhooks as (
                     update agentes.webhooks w set organization_id = m.id
                       from moved m where w.id = any ($2::uuid[])
                   )
                   update agentes.webhook_lanes l set organization_id = m.id, recent = 'ssssssssss'
                     from moved m where l.webhook_id = any ($2::uuid[])""",
                f"hung-{number}",
                [hook["id"] for hook in hooks[2 * number :][:2]],
            )
        for number in range(4):
            facts = ({"n": n} for n in range(80))
            await announce(connection, *facts, organization=f"hung-{number}")
        await hung.wait_for(60)
        await asyncio.sleep(2)
        leased = "select max(in_flight) from agentes.webhook_lanes"
        assert await connection.fetchval(leased) <= 10, "what waits takes no place"
        await announce(connection, *({"n": n} for n in range(10)))
        await healthy.wait_for(10, within_s=2)


async def test_switched_off_and_on_at_once_what_waited_is_skipped(client, connection, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
    for is_active in (False, True):
        await client.patch(f"{WEBHOOKS}/{webhook['id']}", json={"is_active": is_active})
    assert [one["status"] for one in await deliveries(client, webhook)] == ["skipped"]


async def test_a_test_or_an_attempt_by_hand_that_is_answered_410_switches_nothing_off(
    client, connection, receiver
):
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"])
    receiver.behave = answering(410)
    assert (await after_a_test(client, webhook))["last_status_code"] == 410
    await client.post(f"{WEBHOOKS}/deliveries/{delivery['id']}/retry")
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 2)
    assert (await client.get(f"{WEBHOOKS}/{webhook['id']}")).json()["is_active"]


async def test_a_recovery_brings_what_happened_while_the_webhook_was_off_once_each(
    client, connection, receiver
):
    webhook = await a_webhook(client, receiver.url, events=["lead_captured"])
    other = await a_webhook(client, receiver.url)
    path = f"{WEBHOOKS}/{webhook['id']}"
    await announce(connection, {"n": 0})
    await until(client, webhook, 1, status="succeeded")
    await client.patch(path, json={"is_active": False})
    await announce(connection, {"n": 1}, {"n": 2}, {"n": 3})
    await announce(connection, {"n": 9}, type_="form_submitted")
    await until(client, other, 5, status="succeeded")
    await client.patch(path, json={"is_active": True})
    await announce(connection, {"n": 4})
    await until(client, webhook, 2, status="succeeded")
    for requeued in (3, 0):
        order = await client.post(f"{path}/recover", json={"since": webhook["created_at"]})
        async with asyncio.timeout(10):
            recovery = order.json()
            while recovery["status"] == "running":
                await asyncio.sleep(0.05)
                recovery = (await client.get(f"{WEBHOOKS}/recoveries/{recovery['id']}")).json()
        assert recovery["requeued"] == requeued
    await until(client, webhook, 5, status="succeeded")
    assert len(await deliveries(client, webhook)) == 5
    bodies = [
        (await client.get(f"{WEBHOOKS}/deliveries/{one['id']}")).json()["body"]
        for one in await deliveries(client, webhook)
    ]
    assert sorted(json.loads(body)["data"]["n"] for body in bodies) == [0, 1, 2, 3, 4]


async def test_a_test_or_an_attempt_by_hand_goes_past_the_breaker_and_leaves_it_closed_to_others(
    client, connection, receiver
):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
    await connection.execute(
        """update agentes.webhook_lanes set is_tripped = true, held_until = now() + interval '1 h',
                  recent = 'ffffffffff', trips = 3"""
    )
    await announce(connection, {"n": 2})
    assert (await after_a_test(client, webhook))["status"] == "failed"
    await client.post(f"{WEBHOOKS}/deliveries/{delivery['id']}/retry")
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 2)
    await asyncio.sleep(0.6)
    assert len(receiver.arrived) == 3, "the rest waits"
    lane = await connection.fetchrow("select * from agentes.webhook_lanes")
    assert (lane["is_tripped"], lane["trips"], lane["is_asked"]) == (True, 3, False)
    assert await connection.fetchval("select held_until > now() from agentes.webhook_lanes")
