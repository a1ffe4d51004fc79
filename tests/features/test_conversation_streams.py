"""A conversation's stream: what persons write reaches the visitor live, whole and once."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.features.test_feedback import a_chat, a_visitor
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
CONVERSATIONS = "/api/v2/conversations"


class Follower:
    """The named events of one stream, as they come."""

    def __init__(self, answer) -> None:
        self._lines = answer.aiter_lines()
        self.numbers: list[int] = []

    async def take(self, count: int) -> list[dict]:
        events = []
        async with asyncio.timeout(15):
            while len(events) < count:
                line = await anext(self._lines)
                if line.startswith("id: "):
                    self.numbers.append(int(line[4:]))
                elif line.startswith("data: "):
                    assert line.isascii()
                    assert len(line) < 4096
                    events.append(json.loads(line[6:]))
        return events

    async def begun(self) -> None:
        async with asyncio.timeout(15):
            while not self.numbers:
                line = await anext(self._lines)
                if line.startswith("id: "):
                    self.numbers.append(int(line[4:]))


@asynccontextmanager
async def following(client, conversation_id, after=None):
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    path = f"{CONVERSATIONS}/{conversation_id}/stream"
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        follower = Follower(answer)
        await follower.begun()
        yield follower


def text_of(events) -> str:
    return "".join(event["data"] for event in events if event["event"] == "answer")


@pytest.fixture
async def talk(client):
    """A visitor, its conversation, and another's at the same agent."""
    agent = await an_agent(client, visibility="public")
    visitor, visitor_id = await a_visitor(client, agent["id"])
    chat = await a_chat(client, agent, visitor_id=visitor_id)
    other = await a_chat(client, agent, visitor_id="outro")
    async with visitor:
        yield visitor, chat["conversation_id"], other["conversation_id"]


async def test_a_reply_reaches_the_visitor_live_and_is_the_kept_message(client, talk):
    visitor, id_, other = talk
    path = f"{CONVERSATIONS}/{id_}"
    long = "Olá! 😀 São José " * 60
    async with following(visitor, id_) as stream:
        await client.post(f"{CONVERSATIONS}/{other}/handoff", json={})
        await client.post(f"{CONVERSATIONS}/{other}/messages", json={"content": "de outro"})
        await visitor.post(f"{path}/handoff", json={})
        (asked,) = await stream.take(1)
        assert (asked["event"], asked["data"]["status"]) == ("status", "human_requested")
        assert asked["data"]["is_taken"] is False
        sent = await client.post(f"{path}/messages", json={"content": long, "author_name": "Ana"})
        (taken, message) = await stream.take(2)
        assert taken["data"] == {"status": "human_requested", "is_taken": True}
        assert message["event"] == "message"
        assert message["data"]["author_name"] == "Ana"
        assert message["data"]["id"] == message["message_id"] == sent.json()["id"]
        pieces = await stream.take(5)
        assert text_of(pieces) == long.strip()
        assert pieces[-1]["event"] == "done"
        await client.post(f"{path}/handoff/return")
        assert (await stream.take(1))[0]["data"] == {"status": "active"}
        await client.patch(path, json={"status": "resolved"})
        assert (await stream.take(1))[0]["data"] == {"status": "resolved"}


async def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(client, talk):
    visitor, id_, _ = talk
    path = f"{CONVERSATIONS}/{id_}/messages"
    await client.patch(f"{CONVERSATIONS}/{id_}", json={"status": "human_requested"})
    async with following(visitor, id_) as stream:
        for text in ("um", "dois"):
            await client.post(path, json={"content": text})
        seen = await stream.take(7)
        assert seen[0]["data"]["is_taken"] is True
        assert [event["event"] for event in seen[1:]] == ["message", "answer", "done"] * 2
        last = stream.numbers[-1]
    await client.post(path, json={"content": "três"})
    async with following(visitor, id_, after=last) as stream:
        await client.post(path, json={"content": "quatro"})
        again = await stream.take(6)
        assert [event["data"] for event in again if event["event"] == "answer"] == [
            "três",
            "quatro",
        ]
        first_of_two = stream.numbers[1]
    async with following(visitor, id_, after=first_of_two) as stream:
        rest = await stream.take(3)
        assert text_of(rest) == "quatro"
    # A place that history does not have: told so, and on from where there is something.
    async with following(visitor, id_, after=10**9) as stream:
        assert (await stream.take(1))[0]["event"] == "gap"


async def test_a_stream_is_for_its_own_visitor_and_who_may_read_conversations(client, talk):
    visitor, id_, other = talk
    assert (await visitor.get(f"{CONVERSATIONS}/{other}/stream")).status_code == 404
    body = {"name": "K", "scopes": ["chat"]}
    key = (await client.post("/api/v2/settings/api-keys", json=body)).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    refused = await client.get(f"{CONVERSATIONS}/{id_}/stream", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    async with following(client, id_) as stream:
        await client.post(f"{CONVERSATIONS}/{id_}/messages", json={"content": "Oi"})
        assert text_of(await stream.take(3)) == "Oi"


async def test_a_stream_ends_with_the_widgets_key(client, talk):
    visitor, id_, _ = talk
    (key,) = (await client.get("/api/v2/settings/widget-keys")).json()["data"]
    async with visitor.stream("GET", f"{CONVERSATIONS}/{id_}/stream") as answer:
        assert answer.status_code == 200
        await client.delete(f"/api/v2/settings/widget-keys/{key['id']}")
        async with asyncio.timeout(60):
            lines = [line async for line in answer.aiter_lines()]
        assert ": closed: credential_ended" in lines
