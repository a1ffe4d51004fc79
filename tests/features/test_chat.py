"""Chats over HTTP: the stream, the whole answer, and what is kept."""

import asyncio

import pytest

from app.core.ids import new_id
from tests.support.stories import a_taught_agent, an_agent, asking, stream, text_of

pytestmark = pytest.mark.anyio
QUESTION = "Qual é o prazo de entrega para o Nordeste?"


async def messages(client, conversation_id):
    answer = await client.get(f"/api/v2/conversations/{conversation_id}/messages")
    return answer.json()["data"]


async def test_the_answer_quotes_and_cites_what_the_knowledge_base_says(client):
    agent = await a_taught_agent(client)
    events = await stream(client, agent["id"], asking(QUESTION))
    assert "8 dias úteis" in text_of(events)
    assert "[1]" in text_of(events)
    assert next(event for event in events if event["event"] == "source")["data"]["index"] == 1


async def test_events_come_in_order_and_end_once(client):
    agent = await a_taught_agent(client)
    names = [event["event"] for event in await stream(client, agent["id"], asking(QUESTION))]
    assert names[:2] == ["progress", "progress"]
    assert names[-2:] == ["metadata", "done"]
    assert sum(name in ("done", "error") for name in names) == 1
    assert names.index("source") < names.index("answer")


async def test_what_the_document_does_not_say_is_said_plainly_and_cites_nothing(client):
    agent = await a_taught_agent(client)
    events = await stream(client, agent["id"], asking("Vocês vendem passagens aéreas?"))
    assert "Não encontrei" in text_of(events)
    assert "[" not in text_of(events)


async def test_frames_are_numbered_lines_of_ascii_below_four_kilobytes(client):
    agent = await a_taught_agent(client)
    path = f"/api/v2/agents/{agent['id']}/chat/stream"
    answer = await client.post(path, json=asking(f"{QUESTION} 😀"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    frames = answer.content.decode("ascii").split("\n\n")[:-1]
    assert [frame.split("\n")[0] for frame in frames] == [
        f"id: {n + 1}" for n in range(len(frames))
    ]
    assert all(len(frame) < 4096 and "\r" not in frame for frame in frames)


async def test_the_whole_answer_is_the_stream_in_one(client):
    agent = await a_taught_agent(client)
    events = await stream(client, agent["id"], asking(QUESTION))
    whole = (await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking(QUESTION))).json()
    assert whole["answer"] == text_of(events)
    assert whole["finish_reason"] == "stop"
    assert [source["index"] for source in whole["sources"]] == [
        event["data"]["index"] for event in events if event["event"] == "source"
    ]


async def test_a_conversation_keeps_both_sides_in_order(client):
    agent = await a_taught_agent(client)
    first = (await stream(client, agent["id"], asking(QUESTION, visitor_id="v1")))[-1]
    conversation = first["conversation_id"]
    await stream(client, agent["id"], asking("E aos sábados?", conversation_id=conversation))
    kept = await messages(client, conversation)
    assert [row["role"] for row in kept] == ["user", "assistant", "user", "assistant"]
    assert all(row["status"] == "complete" for row in kept)
    assert kept[1]["id"] == first["message_id"]
    assert kept[1]["metadata"]["model"] == "local"


async def test_messages_that_a_client_sends_along_are_kept_as_history(client):
    agent = await an_agent(client)
    body = {
        "messages": [
            {"role": "user", "content": "Oi"},
            {"role": "assistant", "content": "Olá!"},
            {"role": "user", "content": "Tudo bem?"},
        ]
    }
    done = (await stream(client, agent["id"], body))[-1]
    kept = await messages(client, done["conversation_id"])
    assert [row["content"] for row in kept[:3]] == ["Oi", "Olá!", "Tudo bem?"]


async def test_an_answer_is_whole_though_its_client_left_at_once(client):
    agent = await a_taught_agent(client)
    path = f"/api/v2/agents/{agent['id']}/chat/stream"
    async with client.stream("POST", path, json=asking(QUESTION)) as answer:
        await anext(answer.aiter_raw())
    conversation = (await client.get("/api/v2/conversations")).json()["data"][0]["id"]
    async with asyncio.timeout(5):
        while (await messages(client, conversation))[-1]["status"] != "complete":
            await asyncio.sleep(0.05)


async def test_fifty_chats_at_once_all_end_well(client):
    agent = await a_taught_agent(client)
    streams = await asyncio.gather(
        *(stream(client, agent["id"], asking(QUESTION)) for _ in range(50))
    )
    assert all(events[-1]["event"] == "done" for events in streams)
    assert len({events[-1]["run_id"] for events in streams}) == 50


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model_id": "nobody-1"}, 422, "unknown_model"),
        ({"model_id": "gpt-4o-mini"}, 409, "provider_not_configured"),
        ({"conversation_id": new_id()}, 404, "conversation_not_found"),
        ({"messages": []}, 422, "invalid_request"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 422, "invalid_request"),
        ({"messages": [{"role": "user", "content": ""}]}, 422, "invalid_request"),
        ({"on_disconnect": "later"}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_answered_is_refused_and_keeps_nothing(client, fields, status, code):
    agent = await an_agent(client)
    path = f"/api/v2/agents/{agent['id']}/chat/stream"
    answer = await client.post(path, json=asking("Oi") | fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.get("/api/v2/conversations")).json()["data"] == []


async def test_an_agent_that_is_switched_off_does_not_answer(client):
    agent = await an_agent(client, is_active=False)
    answer = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
    assert (answer.status_code, answer.json()["code"]) == (409, "agent_inactive")


async def test_a_conversation_of_another_agent_is_not_found(client):
    one, other = await an_agent(client), await an_agent(client)
    done = (await stream(client, one["id"], asking("Oi")))[-1]
    body = asking("Oi", conversation_id=done["conversation_id"])
    answer = await client.post(f"/api/v2/agents/{other['id']}/chat", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "conversation_not_found")


async def test_facts_of_a_turn_are_numbered_in_their_order(client, connection):
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Oi"))
    async with asyncio.timeout(5):
        while await connection.fetchval("select count(*) from agentes.events") < 3:
            await asyncio.sleep(0.05)
    rows = await connection.fetch("select type from agentes.events order by number")
    assert [row["type"] for row in rows] == [
        "conversation_started",
        "message_received",
        "message_completed",
    ]


async def test_a_message_that_the_model_cannot_read_is_the_clients_to_shorten(client):
    agent = await an_agent(client)
    body = asking("Oi") | {"context_data": {"x": "Olá. " * 40_000}}
    refused = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=body)
    assert (refused.status_code, refused.json()["code"]) == (413, "context_too_long")
