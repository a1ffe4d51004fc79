"""The audit log knows of every change by a caller beside chatting, and of no person's words."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.stories import a_base, an_agent, asking, indexed, stream

pytestmark = pytest.mark.anyio
LOG = "/api/v2/settings/audit-log"
SECRET_WORDS = "Xilofone Zenobia"


async def entries(client, **where):
    return (await client.get(LOG, params=where | {"limit": 100})).json()["data"]


async def actions(client, resource: str):
    return [entry["action"] for entry in await entries(client, resource=resource)][::-1]


async def test_documents_are_followed_from_upload_to_deletion(client):
    base = await a_base(client)
    body = {"knowledge_base_id": base, "name": "Trocas", "text": "Trocas em 30 dias."}
    made = (await client.post("/api/v2/knowledge/documents", json=body)).json()
    await indexed(client, made["id"])
    assert await actions(client, "document") == ["document.created"]  # indexing is nobody's change
    path = f"/api/v2/knowledge/documents/{made['id']}"
    assert (await client.post(f"{path}/reindex")).status_code == 202
    assert (await client.delete(path)).status_code == 204
    first, *_, last = await actions(client, "document")
    assert (first, last) == ("document.created", "document.deleted")


async def test_conversations_and_gaps_are_without_their_words(client):
    base = await a_base(client)
    agent = await an_agent(client, knowledge_base_ids=[base])
    await stream(client, agent["id"], asking(f"{SECRET_WORDS} embrulha?", visitor_id="v"))
    (conversation,) = (await client.get("/api/v2/conversations")).json()["data"]
    (gap,) = (await client.get("/api/v2/knowledge/gaps")).json()["data"]
    assert await actions(client, "conversation") == []  # a chat is no change by a caller
    path = f"/api/v2/conversations/{conversation['id']}"
    assert (await client.patch(path, json={"title": SECRET_WORDS})).status_code == 200
    dismissed = {"status": "dismissed"}
    assert (
        await client.patch(f"/api/v2/knowledge/gaps/{gap['id']}", json=dismissed)
    ).status_code == 200
    assert (await client.delete(path)).status_code == 204
    assert await actions(client, "knowledge_gap") == [
        "knowledge_gap.updated",
        "knowledge_gap.deleted",
    ]
    assert await actions(client, "conversation") == ["conversation.updated", "conversation.deleted"]
    assert "Xilofone" not in str(await entries(client))


async def test_persons_data_is_not_given_out_or_erased_unseen(client):
    lead = {"name": SECRET_WORDS, "email": "zenobia@exemplo.com.br"}
    assert (await client.post("/api/v2/leads", json=lead)).status_code == 201
    person = {"email": lead["email"]}
    assert (await client.post("/api/v2/privacy/exports", json=person)).status_code == 200
    assert (await client.post("/api/v2/privacy/erasures", json=person)).status_code == 201
    (exported,) = await entries(client, resource="person")
    assert (exported["action"], exported["resource_id"]) == ("person.exported", "email")
    assert exported["after"] == {"conversations": 0, "leads": 1}
    assert await actions(client, "erasure") == ["erasure.created"]
    told = str(await entries(client)).lower()
    assert "zenobia" not in told


async def test_inboxes_and_recoveries_are_in_it(client):
    inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
    hook = {"name": "Gancho", "url": inbox["url"], "events": ["*"]}
    made = (await client.post("/api/v2/webhooks", json=hook)).json()
    since = {"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    begun = await client.post(f"/api/v2/webhooks/{made['id']}/recover", json=since)
    assert begun.status_code == 200, begun.text
    assert await actions(client, "webhook_inbox") == ["webhook_inbox.created"]
    assert await actions(client, "webhook_recovery") == ["webhook_recovery.created"]


async def test_credentials_in_addresses_and_plain_headers_are_not_shown(client):
    agent = await an_agent(client)
    address = "https://crm.example.com/hook?access_token=c4nary-query&page=2"
    hook = {"name": "Gancho", "url": address, "events": ["*"]}
    made = await client.post("/api/v2/webhooks", json=hook)
    assert made.status_code == 201, made.text
    path = "https://hooks.example.com/services/T0123/c4nary0123456789abcdef"
    moved = await client.patch(f"/api/v2/webhooks/{made.json()['id']}", json={"url": path})
    assert moved.status_code == 200, moved.text
    config = {
        "url": "https://api.example.com/v1/bot12:c4nary0123456789abcdef/now?apikey=c4nary-key&city=recife",
        "headers": {"Accept": "a/b", "X-Pass": "c4nary-header"},
        "query": {"t": "c4nary-in-a-query"},
    }
    tool = {"type": "http", "name": "buscar", "config": config}
    made = await client.post(f"/api/v2/agents/{agent['id']}/tools", json=tool)
    assert made.status_code == 201, made.text
    told = (await client.get(LOG, params={"limit": 100})).text
    assert "c4nary" not in told
    assert "https://crm.example.com/***" in told
    assert "https://hooks.example.com/***" in told
    assert "https://api.example.com/v1/***/now?apikey=***&city=recife" in told
    assert '"Accept":"***"' in told
