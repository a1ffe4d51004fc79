"""`Idempotency-Key` on whatever creates: done once, answered alike, kept sealed."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime

import pytest

from app.core.signing import verify
from tests.support.stories import a_base, asking

pytestmark = pytest.mark.anyio
AGENTS = "/api/v2/agents"
KEYS = "/api/v2/settings/api-keys"
KEY = {"Idempotency-Key": "pedido-1"}


async def test_a_repeat_gets_the_first_response_and_does_nothing(client):
    first = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    again = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len((await client.get(AGENTS)).json()["data"]) == 1


async def test_of_many_at_once_one_is_done(client):
    answers = await asyncio.gather(
        *(client.post(AGENTS, json={"name": "Ana"}, headers=KEY) for _ in range(20))
    )
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert 201 in statuses
    assert len((await client.get(AGENTS)).json()["data"]) == 1


async def test_a_key_belongs_to_one_request(client):
    await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    other_body = await client.post(AGENTS, json={"name": "Bia"}, headers=KEY)
    other_route = await client.post("/api/v2/knowledge/bases", json={"name": "Ana"}, headers=KEY)
    agent = (await client.get(AGENTS)).json()["data"][0]
    chat = await client.post(f"{AGENTS}/{agent['id']}/chat", json=asking("Oi"), headers=KEY)
    for answer in (other_body, other_route, chat):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_belongs_to_one_query_too(client):
    hook = {"name": "CRM", "url": "https://crm.example.com/h", "events": ["lead_captured"]}
    made = (await client.post("/api/v2/webhooks", json=hook)).json()
    path = f"/api/v2/webhooks/{made['id']}/test"
    first = await client.post(path, headers=KEY, params={"event_type": "lead_captured"})
    assert first.status_code == 200
    other = await client.post(path, headers=KEY, params={"event_type": "lead_updated"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_of_a_chat_is_no_key_of_another_request(client):
    agent = (await client.post(AGENTS, json={"name": "Ana", "model_id": "local"})).json()
    await client.post(f"{AGENTS}/{agent['id']}/chat", json=asking("Oi"), headers=KEY)
    answer = await client.post(AGENTS, json={"name": "Bia"}, headers=KEY)
    assert answer.json()["code"] == "idempotency_key_reused"


async def test_what_failed_may_be_tried_again_with_the_key(client):
    bad = await client.post(AGENTS, json={"name": ""}, headers=KEY)
    assert bad.status_code == 422
    good = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    assert good.status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
async def test_what_is_no_key_is_refused(client, key):
    answer = await client.post(
        AGENTS, json={"name": "Ana"}, headers={"Idempotency-Key": key.encode()}
    )
    assert answer.status_code == 400


async def test_a_secret_that_is_replayed_is_kept_sealed(client, connection):
    body = {"name": "CRM", "scopes": ["chat"]}
    first = await client.post(KEYS, json=body, headers=KEY)
    again = await client.post(KEYS, json=body, headers=KEY)
    assert again.json()["key"] == first.json()["key"]
    kept = await connection.fetch("select t::text as row from agentes.idempotency_keys t")
    kept += await connection.fetch("select t::text as row from agentes.idempotent_calls t")
    assert not any(first.json()["key"].split("_")[3] in row["row"] for row in kept)


async def test_uploads_take_keys_too(client):
    base = await a_base(client)
    for _ in range(2):
        answer = await client.post(
            "/api/v2/knowledge/upload",
            data={"knowledge_base_id": base},
            files={"file": ("a.md", b"# Um\n\nTexto.")},
            headers=KEY,
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["data"][0]["duplicate"] is False
    assert answer.headers["idempotency-replayed"] == "true"


async def test_a_request_whose_process_died_goes_on_from_what_was_committed(client, connection):
    """As after kill -9 between the effect and the answer: the key is locked, the lease is over."""
    first = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    await connection.execute(
        """update agentes.idempotency_keys set response = null, locked_until = now();
           insert into agentes.idempotent_calls (organization_id, key, ordinal, function, result)
           select organization_id, 'pedido-1', 1, 'agent_create_v1',
                  jsonb_build_object('outcome', 'created', 'agent', to_jsonb(a))
             from agentes.agents a"""
    )
    again = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len((await client.get(AGENTS)).json()["data"]) == 1


@contextlib.asynccontextmanager
async def dying_before_the_answer(connection):
    """As after kill -9 between the effect and the answer: nothing says how the request ended."""
    end = "function public.idempotent_request_end_v2(uuid, text, text, boolean)"
    await connection.execute(f"alter {end} rename to lost")
    yield
    await connection.execute(
        f"alter {end.replace('idempotent_request_end_v2', 'lost')} rename to"
        " idempotent_request_end_v2; update agentes.idempotency_keys set locked_until = now()"
    )


async def test_a_key_that_was_made_before_its_answer_was_lost_is_shown_and_works(
    client, connection
):
    body = {"name": "CRM", "scopes": ["agents:read"]}
    async with dying_before_the_answer(connection):
        assert (await client.post(KEYS, json=body, headers=KEY)).status_code == 500
    again = await client.post(KEYS, json=body, headers=KEY)
    assert again.status_code == 201, again.text
    assert len((await client.get(KEYS)).json()["data"]) == 2
    headers = {"Authorization": f"Bearer {again.json()['key']}"}
    assert (await client.get(AGENTS, headers=headers)).status_code == 200
    other = await client.post(KEYS, json=body, headers={"Idempotency-Key": "pedido-2"})
    assert other.json()["public_id"] != again.json()["public_id"]


async def test_a_secret_is_another_one_when_its_key_is_used_anew(client, connection):
    body = {"name": "CRM", "scopes": ["agents:read"]}
    first = await client.post(KEYS, json=body, headers=KEY)
    await connection.execute(
        "update agentes.idempotency_keys set created_at = created_at - interval '25 hours'"
    )
    anew = await client.post(KEYS, json=body, headers=KEY)
    assert anew.status_code == 201, anew.text
    assert anew.json()["key"] != first.json()["key"]


async def test_a_webhooks_secret_and_a_widgets_key_are_the_kept_ones_after_a_lost_answer(
    client, connection
):
    agent = await client.post(AGENTS, json={"name": "Ana", "visibility": "public"})
    inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
    hook = {"name": "CRM", "url": inbox["url"], "events": ["*"]}
    widget = {
        "agent_id": agent.json()["id"],
        "name": "Site",
        "allowed_origins": ["https://a.example"],
    }
    second = {"Idempotency-Key": "pedido-2"}
    async with dying_before_the_answer(connection):
        await client.post("/api/v2/webhooks", json=hook, headers=KEY)
        await client.post("/api/v2/settings/widget-keys", json=widget, headers=second)
    made = (await client.post("/api/v2/webhooks", json=hook, headers=KEY)).json()
    await client.post(f"/api/v2/webhooks/{made['id']}/test")
    messages = f"/api/v2/webhooks/inboxes/{inbox['id']}/messages"
    async with asyncio.timeout(20):
        while not (found := (await client.get(messages)).json()["data"]):
            await asyncio.sleep(0.05)
    signed = {name.lower(): value for name, value in found[0]["headers"].items()}
    verify(
        [made["secret"]],
        message_id=signed["webhook-id"],
        timestamp=signed["webhook-timestamp"],
        signature=signed["webhook-signature"],
        body=found[0]["body"].encode(),
        now=datetime.now(UTC),
    )
    key = await client.post("/api/v2/settings/widget-keys", json=widget, headers=second)
    opened = await client.post(
        "/api/v2/widget/sessions",
        json={"key": key.json()["key"]},
        headers={"Origin": "https://a.example"},
    )
    assert opened.status_code == 201, opened.text


async def test_what_was_refused_is_judged_anew_with_the_same_key(client):
    leads = "/api/v2/leads"
    body = {"name": "Ana", "email": "ana@exemplo.com.br"}
    there = (await client.post(leads, json=body)).json()
    assert (await client.post(leads, json=body, headers=KEY)).status_code == 409
    await client.delete(f"{leads}/{there['id']}")
    made = await client.post(leads, json=body, headers=KEY)
    assert made.status_code == 201, made.text
    erasure = {"email": "bia@exemplo.com.br"}
    second = {"Idempotency-Key": "pedido-2"}
    path = "/api/v2/privacy/erasures"
    assert (await client.post(path, json=erasure, headers=second)).status_code == 404
    await client.post(leads, json={"name": "Bia", "email": erasure["email"]})
    erased = await client.post(path, json=erasure, headers=second)
    assert erased.status_code == 201, erased.text


async def test_a_key_of_an_upload_belongs_to_its_files_and_fields(client):
    base, other = await a_base(client), await a_base(client)

    async def upload(text, base=base, name="a.md", key="pedido-1"):
        return await client.post(
            "/api/v2/knowledge/upload",
            data={"knowledge_base_id": base},
            files={"file": (name, text)},
            headers={"Idempotency-Key": key},
        )

    assert (await upload(b"# Um\n\nTexto.")).status_code == 202
    for changed in (
        await upload(b"# Um\n\nTesto."),
        await upload(b"# Um\n\nTexto.", base=other),
        await upload(b"# Um\n\nTexto.", name="b.md"),
    ):
        assert changed.json()["code"] == "idempotency_key_reused"
    assert (await upload(b"# Um\n\nTexto.")).headers["idempotency-replayed"] == "true"
    second = await upload(b"# Um\n\nTesto.", key="pedido-2")
    assert second.json()["data"][0]["duplicate"] is False
    found = await client.get("/api/v2/knowledge/documents", params={"knowledge_base_id": base})
    assert len(found.json()["data"]) == 2


async def test_while_the_first_is_under_way_a_repeat_is_told_to_wait(client, connection):
    await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    await connection.execute(
        "update agentes.idempotency_keys set response = null,"
        " locked_until = now() + interval '1 minute'"
    )
    answer = await client.post(AGENTS, json={"name": "Ana"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")


async def test_changes_are_in_the_audit_log_with_who_made_them(client, connection):
    made = (await client.post(AGENTS, json={"name": "Ana"})).json()
    path = f"{AGENTS}/{made['id']}"
    changed = await client.patch(path, json={"name": "Bia"})
    await client.post(KEYS, json={"name": "CRM", "scopes": ["chat"]})
    await client.delete(path)
    log = (await client.get("/api/v2/settings/audit-log")).json()["data"]
    assert [entry["action"] for entry in log] == [
        "agent.deleted",
        "api_key.created",
        "agent.updated",
        "agent.created",
    ]
    assert {entry["actor"] for entry in log} == {made["created_by"]}
    update = log[2]
    assert update["request_id"] == changed.headers["x-request-id"]
    assert (update["before"]["name"], update["after"]["name"]) == ("Ana", "Bia")
    assert log[1]["after"]["secret_sha256"] == "***"
    assert 'sha256": "***' in json.dumps(log)
    of_agent = await client.get(
        "/api/v2/settings/audit-log", params={"resource": "agent", "resource_id": made["id"]}
    )
    assert len(of_agent.json()["data"]) == 3


async def test_what_did_not_happen_is_not_in_the_audit_log(client):
    await client.post(AGENTS, json={"name": ""})
    await client.delete(f"{AGENTS}/01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77")
    assert (await client.get("/api/v2/settings/audit-log")).json()["data"] == []


async def test_the_audit_log_is_exported_as_lines(client):
    for name in ("Ana", "Bia", "Cida"):
        await client.post(AGENTS, json={"name": name})
    answer = await client.get("/api/v2/settings/audit-log/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["after"]["name"] for line in lines] == ["Cida", "Bia", "Ana"]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
