"""Feedback on answers, and conversations that are changed by version."""

import json

import httpx2
import pytest

from tests.support.stories import an_agent, asking

pytestmark = pytest.mark.anyio
CONVERSATIONS = "/api/v2/conversations"


async def a_chat(client, agent=None, **fields):
    agent = agent or await an_agent(client, visibility="public")
    path = f"/api/v2/agents/{agent['id']}/chat"
    answer = await client.post(path, json=asking("Oi?", **fields))
    assert answer.status_code == 200, answer.text
    return answer.json() | {"agent_id": agent["id"]}


async def messages_of(client, conversation_id):
    answer = await client.get(f"{CONVERSATIONS}/{conversation_id}/messages")
    return answer.json()["data"]


async def facts(connection, type_="feedback_received"):
    rows = await connection.fetch(
        """select data from agentes.outbox where type = $1
           union all select data from agentes.events where type = $1""",
        type_,
    )
    return [json.loads(row["data"]) for row in rows]


async def a_visitor(client, agent_id):
    origin = "https://www.aurora.example"
    body = {"agent_id": agent_id, "name": "Site", "allowed_origins": [origin]}
    key = (await client.post("/api/v2/settings/widget-keys", json=body)).json()
    async with httpx2.AsyncClient(base_url=client.base_url, headers={"Origin": origin}) as page:
        opened = (await page.post("/api/v2/widget/sessions", json={"key": key["key"]})).json()
    headers = {"Authorization": f"Bearer {opened['token']}"}
    visitor = httpx2.AsyncClient(base_url=client.base_url, headers=headers, timeout=20)
    return visitor, opened["visitor_id"]


async def test_feedback_is_one_a_person_and_what_comes_later_replaces_it(client, connection):
    chat = await a_chat(client, visitor_id="ana")
    path = f"{CONVERSATIONS}/{chat['conversation_id']}/messages/{chat['message_id']}/feedback"
    bad = {"rating": -1, "comment": " Está velho. ", "reasons": ["outdated"]}
    first = await client.post(path, json=bad)
    assert first.status_code == 200, first.text
    assert first.json()["comment"] == "Está velho."
    again = await client.post(path, json=bad)
    assert again.json() == first.json()
    changed = await client.post(path, json={"rating": 1})
    assert changed.json()["created_at"] == first.json()["created_at"]
    question, answer = await messages_of(client, chat["conversation_id"])
    assert question["feedback"] is None
    assert answer["feedback"] == changed.json()
    assert (answer["feedback"]["rating"], answer["feedback"]["comment"]) == (1, None)
    told = await facts(connection)
    assert sorted(fact["rating"] for fact in told) == [-1, 1]  # the repeat was no news
    assert {fact["visitor_id"] for fact in told} == {"ana"}
    assert await connection.fetchval("select count(*) from agentes.feedback") == 1


async def test_two_persons_rate_the_same_answer_and_a_visitor_sees_its_own_only(client):
    agent = await an_agent(client, visibility="public")
    ana, visitor_id = await a_visitor(client, agent["id"])
    async with ana:
        asked = await ana.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
        chat = asked.json()
        path = f"{CONVERSATIONS}/{chat['conversation_id']}/messages/{chat['message_id']}/feedback"
        own = await ana.post(path, json={"rating": -1, "reasons": ["incorrect", "other"]})
        assert own.status_code == 200, own.text
        assert own.json()["given_by"] == f"visitor:{visitor_id}"
        assert (await client.post(path, json={"rating": 1})).status_code == 200
        assert (await messages_of(client, chat["conversation_id"]))[1]["feedback"]["rating"] == 1
        seen = await messages_of(ana, chat["conversation_id"])
        assert seen[1]["feedback"]["reasons"] == ["incorrect", "other"]


async def test_nobody_rates_another_visitors_answer_a_question_or_what_is_not_there(client):
    chat = await a_chat(client, visitor_id="ana")
    path = f"{CONVERSATIONS}/{chat['conversation_id']}/messages/{{}}/feedback"
    bia, _ = await a_visitor(client, chat["agent_id"])
    async with bia:
        refused = await bia.post(path.format(chat["message_id"]), json={"rating": 1})
        assert refused.json()["code"] == "conversation_not_found"
    question, answer = await messages_of(client, chat["conversation_id"])
    refused = await client.post(path.format(question["id"]), json={"rating": 1})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_an_answer")
    other = await a_chat(client)
    refused = await client.post(path.format(other["message_id"]), json={"rating": 1})
    assert refused.json()["code"] == "message_not_found"
    for body in (
        {},
        {"rating": 0},
        {"rating": True},
        {"rating": 1.0},
        {"rating": 1, "reasons": ["rude"]},
        {"rating": 1, "reasons": ["clear", "clear"]},
        {"rating": 1, "comment": "x" * 2001},
        {"rating": 1, "stars": 5},
    ):
        refused = await client.post(path.format(answer["id"]), json=body)
        assert refused.status_code == 422, body
    assert (await messages_of(client, chat["conversation_id"]))[1]["feedback"] is None


async def test_a_conversation_is_changed_only_as_it_was_read(client):
    chat = await a_chat(client)
    path = f"{CONVERSATIONS}/{chat['conversation_id']}"
    read = await client.get(path)
    assert read.headers["etag"] == f'"{read.json()["version"]}"'
    changed = await client.patch(
        path, json={"title": "Entrega"}, headers={"If-Match": read.headers["etag"]}
    )
    assert changed.json()["title"] == "Entrega"
    assert changed.headers["etag"] == f'"{read.json()["version"] + 1}"'
    late = await client.patch(
        path, json={"title": "Frete"}, headers={"If-Match": read.headers["etag"]}
    )
    assert (late.status_code, late.json()["code"]) == (412, "conversation_version_mismatch")
    assert (await client.get(path)).json()["title"] == "Entrega"
    same = await client.patch(path, json={"title": "Entrega"})
    assert same.headers["etag"] == changed.headers["etag"]


async def test_a_resolved_conversation_is_announced_once_and_found_by_its_state(client, connection):
    chat = await a_chat(client, visitor_id="ana")
    other = await a_chat(client, visitor_id="bia")
    path = f"{CONVERSATIONS}/{chat['conversation_id']}"
    for _ in range(2):
        assert (await client.patch(path, json={"status": "resolved"})).status_code == 200
    (fact,) = await facts(connection, "conversation_resolved")
    assert fact["conversation_id"] == chat["conversation_id"]
    for where, found in (
        ({"status": "resolved"}, chat),
        ({"status": "active"}, other),
        ({"visitor_id": "bia"}, other),
        ({"agent_id": other["agent_id"]}, other),
    ):
        listed = (await client.get(CONVERSATIONS, params=where)).json()["data"]
        assert [one["id"] for one in listed] == [found["conversation_id"]], where


async def test_feedback_is_given_out_with_a_persons_data_and_erased_with_it(client, connection):
    chat = await a_chat(client, visitor_id="ana")
    path = f"{CONVERSATIONS}/{chat['conversation_id']}/messages/{chat['message_id']}/feedback"
    await client.post(path, json={"rating": -1, "comment": "canarinho"})
    export = await client.post("/api/v2/privacy/exports", json={"visitor_id": "ana"})
    assert "canarinho" in export.text
    erased = await client.post("/api/v2/privacy/erasures", json={"visitor_id": "ana"})
    assert erased.status_code == 201
    assert await connection.fetchval("select count(*) from agentes.feedback") == 0
    assert await facts(connection) == []
