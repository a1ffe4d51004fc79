"""Exports: whole, filtered like the lists, safe in a spreadsheet, in no memory, seen if cut."""

import csv
import io
import json
import resource
from pathlib import Path

import httpx2
import pytest

from app.core.ids import new_id
from tests.features.test_feedback import a_chat
from tests.support.event_streams import local_organization
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
CONVERSATIONS = "/api/v2/conversations/export"
MESSAGES = "/api/v2/conversations/messages/export"
EVENTS = "/api/v2/events/export"
USAGE = "/api/v2/settings/usage/export"
LEADS = "/api/v2/leads/export"
ALL = (CONVERSATIONS, MESSAGES, EVENTS, USAGE, LEADS)


async def rows_of(client, path, **params):
    """The export in both forms, which must hold as many records."""
    table = await client.get(path, params=params)
    assert table.status_code == 200, table.text
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    plain = await client.get(path, params=params | {"format": "ndjson"})
    assert plain.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    records = [json.loads(line) for line in plain.text.splitlines()]
    assert len(rows) == len(records)
    return rows, records


async def many(connection, agent_id, count, messages, *, padding=""):
    """Conversations with messages, as rows."""
    organization = await local_organization(connection)
    await connection.execute(
        """insert into agentes.conversations
             (id, organization_id, agent_id, visitor_id, title, metadata)
           select agentes.uuid_v7(), $1::uuid, $2::uuid, 'v', 'T' || n,
                  jsonb_build_object('p', $4::text)
             from generate_series(1, $3::int) n""",
        organization,
        agent_id,
        count,
        padding,
    )
    await connection.execute(
        """insert into agentes.messages (id, organization_id, conversation_id, role, content)
           select agentes.uuid_v7(), c.organization_id, c.id, 'user', repeat('Olá ', 50)
             from agentes.conversations c, generate_series(1, $1::int) n order by c.id, n""",
        messages,
    )


async def test_conversations_and_messages_are_exported_as_they_are_listed(client):
    ana = await a_chat(client, visitor_id="ana")
    bia = await a_chat(client, visitor_id="=cmd|' /C calc'!A0")
    path = f"/api/v2/conversations/{ana['conversation_id']}"
    asked = await client.post(f"{path}/handoff", json={"summary": "Quer, já; =1+1"})
    assert asked.status_code == 200, asked.text
    await client.post(f"{path}/messages", json={"content": "Olá\nvocê", "author_name": "Eva"})
    rated = f"{path}/messages/{ana['message_id']}/feedback"
    await client.post(rated, json={"rating": -1, "reasons": ["slow"], "comment": "-2"})
    rows, records = await rows_of(client, CONVERSATIONS)
    ids = [ana["conversation_id"], bia["conversation_id"]]
    assert [row["id"] for row in rows] == [record["id"] for record in records] == ids
    listed = (await client.get("/api/v2/conversations")).json()["data"]
    assert records == listed[::-1]
    assert rows[0]["handoff.summary"] == "Quer, já; '=1+1"
    assert rows[0]["handoff.taken_by"] == "Eva"
    assert rows[1]["visitor_id"].startswith("'=")
    rows, records = await rows_of(client, MESSAGES, visitor_id="ana")
    assert [record["role"] for record in records] == ["user", "assistant", "operator"]
    assert (rows[1]["feedback.rating"], rows[1]["feedback.comment"]) == ("-1", "'-2")
    assert rows[2]["content"] == "Olá\nvocê"
    assert rows[2]["metadata.author_name"] == "Eva"
    kept = (await client.get(f"{path}/messages")).json()["data"]
    assert [{name: record[name] for name in kept[0]} for record in records] == kept
    for where in ({"status": "active"}, {"agent_id": bia["agent_id"]}, {"from": "2999-01-01"}):
        listed = (await client.get("/api/v2/conversations", params=where)).json()["data"]
        _, records = await rows_of(client, CONVERSATIONS, **where)
        assert [record["id"] for record in records] == [one["id"] for one in listed], where
    assert (await client.get(CONVERSATIONS, params={"status": "lost"})).status_code == 422
    assert (await client.get(MESSAGES, params={"format": "xml"})).status_code == 422


async def test_events_and_usage_are_exported_one_by_one(client, connection):
    chat = await a_chat(client)
    await connection.fetchval("select events_number_v2(1000)")
    rows, records = await rows_of(client, EVENTS)
    listed = (await client.get("/api/v2/events", params={"after": 0})).json()["data"]
    assert records == listed
    assert [row["type"] for row in rows][:2] == ["conversation_started", "message_received"]
    assert json.loads(rows[0]["data"])["conversation_id"] == chat["conversation_id"]
    _, records = await rows_of(client, EVENTS, types="message_completed")
    assert [record["type"] for record in records] == ["message_completed"]
    rows, (used,) = await rows_of(client, USAGE)
    metadata = chat["metadata"]
    assert used["run_id"] == chat["run_id"]
    assert (used["provider"], used["model"]) == (metadata["provider"], metadata["model"])
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        assert used[name] == metadata["usage"][name]
    assert used["cost_usd"] == metadata["cost_usd"]
    await client.post(f"/api/v2/conversations/{chat['conversation_id']}/handoff", json={})
    await client.post(
        f"/api/v2/agents/{chat['agent_id']}/chat",
        json={
            "messages": [{"role": "user", "content": "Oi"}],
            "conversation_id": chat["conversation_id"],
        },
    )
    rows, records = await rows_of(client, USAGE)
    assert (rows[1]["input_tokens"], rows[1]["cost_usd"]) == ("", "")  # nobody was asked
    _, records = await rows_of(client, USAGE, agent_id=new_id())
    assert records == []


@pytest.mark.once
async def test_pages_of_an_export_join_without_a_gap_or_a_repeat(client, connection):
    agent = await an_agent(client)
    await many(connection, agent["id"], 401, 3)
    _, conversations = await rows_of(client, CONVERSATIONS)
    assert len({record["id"] for record in conversations}) == len(conversations) == 401
    _, messages = await rows_of(client, MESSAGES)
    assert len({record["id"] for record in messages}) == len(messages) == 1203
    order = [(record["conversation_id"], record["id"]) for record in messages]
    assert order == sorted(order)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.once
async def test_a_hundred_thousand_messages_are_exported_in_no_more_memory(client, connection):
    agent = await an_agent(client)
    await many(connection, agent["id"], 1000, 100)
    lines = size = 0
    grown = []
    async with client.stream("GET", MESSAGES, params={"format": "ndjson"}) as answer:
        async for chunk in answer.aiter_bytes():
            lines, size = lines + chunk.count(b"\n"), size + len(chunk)
            if lines > 10_000:
                grown.append(resident_bytes())
    assert lines == 100_000
    assert size > 50_000_000
    # From the tenth on, what was sent is held no longer.
    assert max(grown) - grown[0] < 16_000_000


class Cut:
    """An export whose database loses a function after the first piece."""

    def __init__(self, client, connection, form) -> None:
        self.client, self.connection, self.form = client, connection, form
        self.got = b""

    async def to_the_end(self) -> None:
        rename = "alter function public.{} rename to {}"
        params = {"format": self.form}
        async with self.client.stream("GET", CONVERSATIONS, params=params) as answer:
            assert answer.status_code == 200
            await self.connection.execute(rename.format("rows_find_v1", "rows_gone_v1"))
            try:
                async for chunk in answer.aiter_bytes():
                    self.got += chunk
            finally:
                await self.connection.execute(rename.format("rows_gone_v1", "rows_find_v1"))


@pytest.mark.once
async def test_an_export_that_is_cut_never_looks_whole(client, connection):
    agent = await an_agent(client)
    await many(connection, agent["id"], 6000, 0, padding="x" * 10_000)
    marks = {"csv": b"EXPORT CUT SHORT", "ndjson": b'"title": "EXPORT CUT SHORT"'}
    for form, mark in marks.items():
        read = Cut(client, connection, form)
        with pytest.raises(httpx2.RemoteProtocolError):
            await read.to_the_end()
        assert mark in read.got.splitlines()[-1]
    # What fails before the first line is a problem like any other.
    await connection.execute("alter function public.messages_export_v1 rename to messages_gone_v1")
    refused = await client.get(MESSAGES, params={"format": "ndjson"})
    assert refused.status_code >= 500
    assert refused.headers["content-type"] == "application/problem+json"


async def test_leads_are_exported_as_json_too(client):
    lead = {"name": "Ana", "email": "ana@exemplo.com.br", "fields": {"interesse": "anual"}}
    made = (await client.post("/api/v2/leads", json=lead)).json()
    rows, records = await rows_of(client, LEADS)
    assert records == [made]
    assert rows[0]["fields.interesse"] == "anual"
