"""Conversions forwarded to advertisers: their own bodies, with what they need and no more."""

import hashlib
import json
from datetime import datetime

import pytest

from app.domain_events import EVENTS
from app.features.webhooks.templates import TEMPLATES, rendered
from tests.support.receiver import receiving
from tests.support.stories import an_agent, asking
from tests.support.webhooks import WEBHOOKS, a_webhook, after_a_test, reaching_loopback

pytestmark = pytest.mark.anyio
URL = "https://collect.example.com/"
AT = "2026-11-23T20:41:07.512Z"
FORWARDED = ["conversion_recorded", "lead_captured", "form_submitted"]


@pytest.fixture
def settings(settings):
    return reaching_loopback(settings)


@pytest.fixture
async def receiver():
    async with receiving() as opened:
        yield opened


def sent(template, type_, **data):
    whole = EVENTS[type_].example.model_dump(mode="json") | data
    body = json.dumps({"type": type_, "timestamp": AT, "data": whole}).encode()
    return json.loads(rendered(template, body))


def test_google_analytics_is_told_of_a_purchase_as_its_protocol_has_it():
    micros = round(datetime.fromisoformat(AT).timestamp() * 1_000_000)
    assert sent("google_analytics", "conversion_recorded") == {
        "client_id": "visitor-1",
        "timestamp_micros": micros,
        "events": [
            {
                "name": "purchase",
                "params": {"transaction_id": "pedido-1042", "value": 149.9, "currency": "BRL"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"type": "sale"}, "purchase"),
        ({"type": "Matrícula 2027!"}, "matr_cula_2027"),
        ({"type": "2ª via"}, "conversion_2_via"),
        ({"type": "x" * 60}, "x" * 40),
        ({"kind": "refund", "value": -149.9, "refunded_id": "c-1"}, "refund"),
    ],
)
def test_names_are_such_as_google_analytics_takes(data, name):
    (event,) = sent("google_analytics", "conversion_recorded", **data)["events"]
    assert event["name"] == name
    assert event["params"]["value"] == 149.9
    assert event["params"]["transaction_id"] == data.get("refunded_id", "pedido-1042")


def test_meta_is_told_of_a_purchase_and_of_nobodys_address():
    body = sent("meta_conversions", "conversion_recorded")
    (entry,) = body["data"]
    assert (entry["event_name"], entry["action_source"]) == ("Purchase", "chat")
    assert entry["event_time"] == int(datetime.fromisoformat(AT).timestamp())
    digest = hashlib.sha256(b"visitor-1").hexdigest()
    assert entry["user_data"] == {"external_id": [digest]}
    assert entry["custom_data"] == {"order_id": "pedido-1042", "value": 149.9, "currency": "BRL"}
    refund = sent("meta_conversions", "conversion_recorded", kind="refund", value=-10)["data"][0]
    assert (refund["event_name"], refund["custom_data"]["value"]) == ("Refund", 10)


@pytest.mark.parametrize("template", list(TEMPLATES))
@pytest.mark.parametrize("type_", ["lead_captured", "form_submitted"])
def test_leads_and_forms_are_forwarded_without_what_people_have_written(template, type_):
    body = json.dumps(sent(template, type_))
    assert "generate_lead" in body or '"Lead"' in body
    for told in ("Ana", "exemplo.com.br", "98765", "2026-12-01"):
        assert told not in body


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_a_conversion_without_value_or_visitor_is_forwarded_too(template):
    bare = {"value": None, "currency": None, "visitor_id": None, "external_id": None}
    body = json.dumps(sent(template, "conversion_recorded", **bare))
    assert "null" not in body
    assert '"value"' not in body


def test_what_a_template_does_not_know_goes_as_it_is():
    body = b'{"type":"message_completed","timestamp":"x","data":{}}'
    assert rendered("google_analytics", body) == body
    assert rendered("one of another version", body) == body
    assert rendered(None, body) == body


async def test_a_conversion_arrives_in_the_form_of_its_template(client, receiver):
    hook = await a_webhook(client, receiver.url, template="google_analytics")
    assert (hook["template"], hook["events"]) == ("google_analytics", FORWARDED)
    delivery = await after_a_test(client, hook)
    assert delivery["status"] == "succeeded"
    assert json.loads(receiver.arrived[0].body)["events"][0]["name"] == "purchase"
    agent = await an_agent(client)
    chat = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
    conversion = {
        "conversation_id": chat.json()["conversation_id"],
        "type": "purchase",
        "value": 80,
        "currency": "BRL",
        "external_id": "pedido-7",
    }
    made = await client.post("/api/v2/analytics/conversions", json=conversion)
    assert made.status_code == 201, made.text
    await receiver.wait_for(2)
    (event,) = json.loads(receiver.arrived[1].body)["events"]
    assert event["params"] == {"transaction_id": "pedido-7", "value": 80, "currency": "BRL"}
    read = (await client.get(f"{WEBHOOKS}/{hook['id']}")).json()
    assert read["template"] == "google_analytics"
    plain = await client.patch(f"{WEBHOOKS}/{hook['id']}", json={"template": None})
    assert plain.json()["template"] is None
    await after_a_test(client, hook)
    assert json.loads(receiver.arrived[2].body)["type"] == "webhook_test"


async def test_a_template_forwards_only_what_it_knows(client):
    body = {"name": "GA", "url": URL, "template": "google_analytics"}
    for refused in ({"events": ["*"]}, {"events": ["message_completed"]}, {"template": "myspace"}):
        answer = await client.post(WEBHOOKS, json=body | refused)
        assert answer.status_code == 422, refused
    hook = await a_webhook(client, URL)
    path = f"{WEBHOOKS}/{hook['id']}"
    answer = await client.patch(path, json={"template": "meta_conversions"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/events")
    fields = {"template": "meta_conversions", "events": ["lead_captured"]}
    for type_ in ("message_completed", "webhook_test"):
        hook_of_meta = await a_webhook(client, URL, **fields)
        answer = await client.post(f"{WEBHOOKS}/{hook_of_meta['id']}/test?event_type={type_}")
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event")
    assert (await client.patch(path, json=fields)).json()["template"] == "meta_conversions"
    answer = await client.patch(path, json={"events": ["*"]})
    assert answer.status_code == 422
    put = await client.put(path, json={"name": "B", "url": URL})
    assert (put.json()["template"], put.json()["events"]) == (None, ["*"])


async def test_the_catalogue_shows_what_each_template_sends(client):
    listed = (await client.get(f"{WEBHOOKS}/templates")).json()["data"]
    assert [one["name"] for one in listed] == list(TEMPLATES)
    for one in listed:
        assert one["events"] == FORWARDED
        assert one["example"]
        assert one["url"].startswith("https://")
