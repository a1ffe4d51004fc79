"""Webhooks over HTTP: what is kept, shown and refused."""

import asyncio

import pytest

from app.container import open_vault
from app.core.ids import new_id
from app.domain_events import EVENTS
from app.features.webhooks.sealing import WebhookSeals
from tests.support.stories import an_agent
from tests.support.webhooks import WEBHOOKS, a_webhook, reaching_loopback

pytestmark = pytest.mark.anyio
URL = "https://crm.example.com/hooks"


@pytest.fixture
def settings(settings):
    return reaching_loopback(settings)


async def changed(client, webhook, **fields):
    answer = await client.patch(f"{WEBHOOKS}/{webhook['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_wh11_a_secret_is_shown_once_and_kept_encrypted(client, connection):
    created = await a_webhook(client, URL, name="CRM", events=["conversation_*"])
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    read = await client.get(f"{WEBHOOKS}/{created['id']}")
    assert read.json() == created
    assert (await client.get(WEBHOOKS)).json()["data"] == [created]
    stored = await connection.fetchval("select to_jsonb(w)::text from agentes.webhooks w")
    assert secret.removeprefix("whsec_") not in stored


async def test_creating_answers_with_the_location_and_deleting_a_second_time_with_404(client):
    answer = await client.post(WEBHOOKS, json={"name": "CRM", "url": URL})
    path = answer.headers["location"]
    assert answer.json()["events"] == ["*"]
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).json()["code"] == "webhook_not_found"
    assert (await client.get(path)).status_code == 404


async def test_putting_a_webhook_takes_what_is_left_out_back_to_its_default(client):
    created = await a_webhook(client, URL, retry_count=2, timeout=3, headers={"X-Team": "a"})
    answer = await client.put(f"{WEBHOOKS}/{created['id']}", json={"name": "B", "url": URL})
    after = answer.json()
    assert (after["name"], after["retry_count"], after["timeout"]) == ("B", 9, 15)
    assert after["headers"] == {}


REFUSED = [
    {"url": "ftp://example.com"},
    {"url": "https://user:secret@example.com/"},
    {"url": "https://169.254.169.254/latest"},
    {"url": "http://10.0.0.1/"},
    {"url": "http://example.com\\@127.0.0.1/"},
    {"events": []},
    {"events": ["message_complete"]},
    {"events": ["error"]},
    {"events": ["webhook_delivery_failed"]},
    {"events": ["system_update"]},
    {"headers": {"X-Token": "[hidden]"}},
    {"events": ["webhook_anything"]},
    {"events": ["*_captured"]},
    {"events": ["Lead"]},
    {"timeout": 31},
    {"timeout": 0},
    {"retry_count": 10},
    {"max_per_second": 0},
    {"headers": {"webhook-id": "x"}},
    {"headers": {"Host": "x"}},
    {"headers": {"Transfer-Encoding": "chunked"}},
    {"headers": {"X": "a\r\nB: c"}},
    {"headers": {"X Y": "a"}},
    {"headers": {"X": "a", "x": "b"}},
    {"headers": {"X": "a" * 4097}},
    {"headers": {"X-Aws-Ec2-Metadata-Token": "a"}},
    {"secret": "whsec_"},
    {"secret": "whsec_c2hvcnQ="},
    {"agent_id": new_id()},
    {"unknown": 1},
]


async def test_wh09_wh13_wh49_wh76_what_cannot_be_served_is_refused(client):
    kept = await a_webhook(client, URL)
    for fields in REFUSED:
        answer = await client.post(WEBHOOKS, json={"name": "CRM", "url": URL, **fields})
        assert answer.status_code == 422, (fields, answer.text)
        assert "c2hvcnQ" not in answer.text
        answer = await client.patch(f"{WEBHOOKS}/{kept['id']}", json=fields)
        assert answer.status_code == 422, (fields, answer.text)
    assert len((await client.get(WEBHOOKS)).json()["data"]) == 1


async def test_wh49_a_name_that_is_nearly_an_event_is_refused_with_the_right_one(client):
    answer = await client.post(
        WEBHOOKS, json={"name": "CRM", "url": URL, "events": ["document_redy"]}
    )
    assert "document_ready" in answer.text
    answer = await client.post(WEBHOOKS, json={"name": "CRM", "url": URL, "events": ["Lead"]})
    assert answer.json()["errors"][0]["detail"].startswith("is no name of events")
    # Tools give events names of their own, perhaps after the webhook was made.
    await a_webhook(client, URL, events=["pedido_enviado", "lead_*"])


async def test_headers_that_sound_like_secrets_are_hidden_and_can_be_sent_back_as_read(
    client, connection
):
    headers = {"Authorization": "Bearer abc", "X-Team": "vendas"}
    created = await a_webhook(client, URL, headers=headers)
    assert created["headers"] == {"Authorization": "[hidden]", "X-Team": "vendas"}
    stored = await connection.fetchval("select headers_sealed from agentes.webhooks")
    after = await changed(client, created, headers=created["headers"] | {"X-Team": "b"})
    assert after["headers"] == {"Authorization": "[hidden]", "X-Team": "b"}
    assert "abc" not in stored
    assert await connection.fetchval("select headers_sealed from agentes.webhooks") != stored


async def test_wh10_of_the_secrets_of_a_day_ten_stay_valid_and_no_more(client):
    webhook = await a_webhook(client, URL)
    path = f"{WEBHOOKS}/{webhook['id']}/rotate-secret"
    answers = await asyncio.gather(*(client.post(path) for _ in range(12)))
    secrets = {answer.json()["secret"] for answer in answers if answer.status_code == 200}
    assert len(secrets) == 10
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert refused == ["too_many_secrets"] * 2


async def test_an_organization_has_so_many_webhooks_and_no_more(client, connection):
    webhook = await a_webhook(client, URL)
    await connection.execute(
        """insert into agentes.webhooks
           select (jsonb_populate_record(w, jsonb_build_object('id', gen_random_uuid()))).*
             from agentes.webhooks w, generate_series(2, 50)"""
    )
    answer = await client.post(WEBHOOKS, json={"name": "CRM", "url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")
    assert (await client.delete(f"{WEBHOOKS}/{webhook['id']}")).status_code == 204
    await a_webhook(client, URL)


async def test_a_webhook_may_be_narrowed_to_an_agent(client):
    agent = await an_agent(client)
    webhook = await a_webhook(client, URL, agent_id=agent["id"])
    assert webhook["agent_id"] == agent["id"]
    assert (await client.delete(f"/api/v2/agents/{agent['id']}")).status_code == 204
    put = {"name": "B", "url": URL, "agent_id": agent["id"]}
    kept = await client.put(f"{WEBHOOKS}/{webhook['id']}", json=put)
    assert (kept.status_code, kept.json()["name"]) == (200, "B"), "what it was may stay"
    assert (await changed(client, webhook, agent_id=None))["agent_id"] is None


async def test_of_a_header_that_is_not_for_users_to_set_is_told_where_it_stands(client):
    body = {"name": "CRM", "url": URL, "headers": {"X-Forwarded-For": "10.0.0.1"}}
    refused = (await client.post(WEBHOOKS, json=body)).json()
    assert (refused["code"], refused["errors"][0]["pointer"]) == ("headers_refused", "/headers")


async def test_the_catalogue_shows_every_event_with_a_body(client):
    listed = (await client.get(f"{WEBHOOKS}/events")).json()["data"]
    assert {one["name"] for one in listed} == {
        kind.name for kind in EVENTS.values() if kind.is_kept and kind.is_delivered
    }
    for one in listed:
        assert one["example"].keys() == {"type", "timestamp", "data"}
        assert one["description"]


async def test_headers_changed_at_once_keep_the_newest_hidden_value(client, connection, settings):
    created = await a_webhook(client, URL, headers={"X-Token": "one", "X-Team": "0"})
    path = f"{WEBHOOKS}/{created['id']}"
    token = "one"
    for turn in range(10):
        # One gives a new value while others send back what they have read: it must not come undone.
        token = f"token-{turn}"
        sent = [{"X-Token": "[hidden]", "X-Team": f"{turn}"}] * 6
        sent.insert(turn % 6, {"X-Token": token, "X-Team": "new"})
        answers = await asyncio.gather(*(client.patch(path, json={"headers": one}) for one in sent))
        assert {answer.status_code for answer in answers} == {200}
        sealed = await connection.fetchval("select headers_sealed from agentes.webhooks")
        seals = WebhookSeals(open_vault(settings), created["id"])
        assert seals.readable_headers(sealed)["X-Token"] == token


async def test_a_webhook_that_moves_to_another_server_does_not_take_hidden_headers_along(client):
    headers = {"Authorization": "Bearer abc", "X-Team": "vendas"}
    path = f"{WEBHOOKS}/{(await a_webhook(client, URL, headers=headers))['id']}"
    for url in ("https://crm.example.com:8443/hooks", "https://other.example.com/hooks"):
        for sent in ({}, {"headers": {"authorization": "[hidden]"}}):
            answer = await client.patch(path, json={"url": url, **sent})
            assert (answer.status_code, answer.json()["code"]) == (422, "headers_refused")
            assert "`authorization`" in answer.text
    same = await client.patch(path, json={"url": "https://crm.example.com/elsewhere"})
    assert same.json()["headers"]["Authorization"] == "[hidden]"
    again = {"url": "https://other.example.com/hooks", "headers": {"Authorization": "Bearer def"}}
    assert (await client.patch(path, json=again)).status_code == 200
    dropped = {"name": "CRM", "url": URL}
    assert (await client.put(path, json=dropped)).json()["headers"] == {}


async def test_of_what_no_webhook_is_told_there_is_no_test(client):
    path = f"{WEBHOOKS}/{(await a_webhook(client, URL))['id']}/test"
    for event_type in ("webhook_delivery_failed", "system_update"):
        answer = await client.post(path, params={"event_type": event_type})
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event")
