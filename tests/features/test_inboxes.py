"""Test inboxes: a delivery can be seen without a server of one's own."""

from urllib.parse import urlsplit

import httpx2
import pytest
from standardwebhooks import Webhook

from tests.support.webhooks import WEBHOOKS, a_webhook, after_a_test

pytestmark = pytest.mark.anyio
INBOXES = f"{WEBHOOKS}/inboxes"


async def an_inbox(client):
    answer = await client.post(INBOXES)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def messages(client, inbox):
    return (await client.get(f"{INBOXES}/{inbox['id']}/messages")).json()["data"]


async def sent(client, inbox, content=b"{}", **headers):
    """What a stranger gets who knows the address."""
    async with httpx2.AsyncClient(base_url=client.base_url) as stranger:
        return await stranger.post(urlsplit(inbox["url"]).path, content=content, headers=headers)


async def test_a_delivery_to_an_inbox_can_be_read_and_verified(client):
    """The guard denies our own address, also to the inbox; the sender records it from within."""
    inbox = await an_inbox(client)
    webhook = await a_webhook(client, inbox["url"])
    delivery = await after_a_test(client, webhook)
    assert (delivery["status"], delivery["last_status_code"]) == ("succeeded", 204)
    (message,) = await messages(client, inbox)
    verified = Webhook(webhook["secret"]).verify(message["body"].encode(), message["headers"])
    assert verified["type"] == "webhook_test"
    assert message["body"] == delivery["body"]


async def test_an_inbox_is_named_as_it_is_called_and_with_no_credentials(client):
    inbox = await an_inbox(client)
    path = urlsplit(inbox["url"]).path
    hook = await a_webhook(client, f"https://elsewhere.example{path}")
    assert hook["url"] == inbox["url"]
    url = inbox["url"].replace("://", "://ana:senha@")
    answer = await client.post(WEBHOOKS, json={"name": "A", "url": url, "events": ["*"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")


async def test_whoever_knows_the_address_may_send_and_nobody_else(client):
    inbox = await an_inbox(client)
    headers = {"X-A": "1", "Authorization": "Bearer c4nary", "X-Api-Key": "c4nary"}
    assert (await sent(client, inbox, "olá".encode(), **headers)).status_code == 204
    assert (await sent(client, inbox, b"\x00\xff")).status_code == 204
    binary, text = await messages(client, inbox)
    assert (text["body"], text["headers"]["x-a"]) == ("olá", "1")
    assert {text["headers"][name] for name in ("authorization", "x-api-key")} == {"***"}
    assert (binary["body"], binary["body_base64"]) == (None, "AP8=")
    other = await an_inbox(client)
    for url in (
        inbox["url"][:-1] + ("a" if inbox["url"][-1] != "a" else "b"),
        inbox["url"].replace(inbox["id"], other["id"]),
    ):
        assert (await sent(client, {"url": url})).status_code == 404


async def test_an_inbox_takes_messages_of_some_size_in_some_number(client, connection):
    inbox = await an_inbox(client)
    large = await sent(client, inbox, b"x" * (256 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "payload_too_large")
    for _ in range(3):
        await sent(client, inbox, b"x" * 1024)
    await connection.execute(
        """insert into agentes.webhook_inbox_messages
                  (id, organization_id, inbox_id, headers, size_bytes)
           select gen_random_uuid(), organization_id, id, '{}', 50000
             from agentes.webhook_inboxes, generate_series(1, 200)"""
    )
    await sent(client, inbox, b"last")
    kept = await connection.fetchrow(
        "select count(*) as count, sum(size_bytes) as bytes from agentes.webhook_inbox_messages"
    )
    assert kept["count"] <= 100
    assert kept["bytes"] <= 4 * 1024 * 1024


async def test_an_inbox_that_has_expired_is_gone_and_a_test_of_its_webhook_says_so(
    client, connection
):
    inbox = await an_inbox(client)
    webhook = await a_webhook(client, inbox["url"])
    await connection.execute("update agentes.webhook_inboxes set expires_at = now()")
    late = await sent(client, inbox)
    assert (late.status_code, late.json()["code"]) == (410, "inbox_expired")
    assert (await client.get(f"{INBOXES}/{inbox['id']}/messages")).status_code == 404
    assert (await client.get(INBOXES)).json()["data"] == []
    assert (await after_a_test(client, webhook))["last_error"] == "gone"


async def test_so_many_inboxes_are_open_at_once_and_no_more(client):
    for _ in range(20):
        await an_inbox(client)
    refused = await client.post(INBOXES)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_inboxes")
    page = (await client.get(INBOXES, params={"limit": 5})).json()
    assert len(page["data"]) == 5
    assert page["next_cursor"]
