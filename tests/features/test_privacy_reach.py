"""How far one person's data reaches: to all that is theirs, and not to who only named them."""

import re

import pytest
from redis.asyncio import Redis

from app.container import open_ports
from app.core.ids import AgentId, OrganizationId
from tests.support.redis_server import running_redis
from tests.support.service import running_service
from tests.support.stories import an_agent, asking, stream
from tests.support.tool_calls import Shop

pytestmark = pytest.mark.anyio
EXPORTS, ERASURES = "/api/v2/privacy/exports", "/api/v2/privacy/erasures"
LEAD = {"required_fields": ["name", "email"], "optional_fields": ["cpf", "phone"]}
FORM = {
    "title": "Agende",
    "fields": [{"name": "email", "label": "E-mail", "type": "email", "required": True}],
}
ANA = {"name": "Ana", "email": "ana@exemplo.com.br", "cpf": "529.982.247-25"}


@pytest.fixture
async def shop(client, settings):
    agent = await an_agent(client)
    async with open_ports(settings) as ports:
        yield Shop(ports, OrganizationId(agent["organization_id"]), AgentId(agent["id"]))


async def exported(client, **person):
    answer = await client.post(EXPORTS, json=person)
    return answer.json() if answer.status_code == 200 else answer.json()["code"]


async def everything(connection) -> str:
    """All rows of all tables."""
    tables = await connection.fetch(
        "select relname from pg_class"
        " where relnamespace = 'agentes'::regnamespace and relkind = 'r'"
    )
    rows = []
    for table in tables:
        rows += await connection.fetch(f"select t::text as row from agentes.{table['relname']} t")
    return "\n".join(row["row"] for row in rows)


@pytest.mark.parametrize("on_duplicate", ["update", "ignore"])
async def test_who_names_somebody_elses_address_is_not_that_person(client, shop, on_duplicate):
    hers = await shop.a_conversation("ana")
    await shop.call(
        "lead_capture", LEAD | {"on_duplicate": on_duplicate}, ANA, hers, visitor_id="ana"
    )
    his = await shop.a_conversation("mallory")
    claim = {"name": "Mallory", "email": ANA["email"], "phone": "+55 11 98765-4321"}
    await shop.call(
        "lead_capture", LEAD | {"on_duplicate": on_duplicate}, claim, his, visitor_id="mallory"
    )
    found = await exported(client, visitor_id="mallory")
    assert (found["visitor_ids"], found["leads"]) == (["mallory"], [])
    assert [one["id"] for one in found["conversations"]] == [his]
    assert not re.search(r"529\W?982", str(found))
    # Her address stands in his conversation, too: it is hers to see and to have erased.
    mine = await exported(client, email=ANA["email"])
    assert mine["visitor_ids"] == ["ana"]
    assert {one["id"] for one in mine["conversations"]} == {hers, his}
    assert (await client.post(ERASURES, json={"visitor_id": "mallory"})).status_code == 201
    (lead,) = (await client.get("/api/v2/leads")).json()["data"]
    assert lead["email"] == ANA["email"]
    assert "mallory" not in str(lead).lower()
    assert (await client.get(f"/api/v2/conversations/{hers}")).status_code == 200


async def test_an_address_that_only_a_form_holds_is_found(client, shop, connection):
    conversation = await shop.a_conversation("bia")
    shown = await shop.call("form", FORM, {}, conversation)
    url = f"/api/v2/forms/{shown.form.data['form_id']}/submissions"
    sent = await client.post(url, json={"values": {"email": "Bia@Exemplo.com.br"}})
    assert sent.status_code == 201, sent.text
    found = await exported(client, email="bia@exemplo.com.br")
    assert [one["id"] for one in found["conversations"]] == [conversation]
    assert "forms" in found["records"]
    assert {event["type"] for event in found["events"]} >= {"form_submitted"}
    assert (await client.post(ERASURES, json={"email": "bia@exemplo.com.br"})).status_code == 201
    assert "xemplo.com.br" not in await everything(connection)


async def test_a_question_without_an_answer_goes_with_who_asked_it(client, connection):
    base = (await client.post("/api/v2/knowledge/bases", json={"name": "Vazia"})).json()
    agent = await an_agent(client, knowledge_base_ids=[base["id"]])
    for visitor, question in (
        ("zenobia", "A rua Xilofone embrulha presentes?"),
        ("zenobia", "Vocês embrulham o xilofone da Zenobia?"),
        ("outra", "Rua xilofone, presentes embrulha"),
    ):
        await stream(client, agent["id"], asking(question, visitor_id=visitor))
    gaps = (await client.get("/api/v2/knowledge/gaps")).json()["data"]
    assert sorted(len(gap["examples"]) for gap in gaps) == [1, 2]
    found = await exported(client, visitor_id="zenobia")
    assert len(found["records"]["knowledge_gap_questions"]) == 2
    assert (await client.post(ERASURES, json={"visitor_id": "zenobia"})).status_code == 201
    (gap,) = (await client.get("/api/v2/knowledge/gaps")).json()["data"]
    left = "Rua xilofone, presentes embrulha"
    assert (gap["question"], gap["examples"]) == (left, [left])
    assert "enobia" not in await everything(connection)


async def test_gaps_of_conversations_that_have_expired_are_gone(client, connection):
    base = (await client.post("/api/v2/knowledge/bases", json={"name": "Vazia"})).json()
    agent = await an_agent(client, knowledge_base_ids=[base["id"]])
    await stream(client, agent["id"], asking("Vocês vendem xilofones?"))
    await client.patch("/api/v2/settings", json={"retention_days": {"conversations": 1}})
    await connection.execute("update agentes.conversations set updated_at = now() - interval '2 d'")
    assert await connection.fetchval("select conversations_expire_v1(100)") == "1"
    assert (await client.get("/api/v2/knowledge/gaps")).json()["data"] == []


async def test_a_request_that_is_sent_again_does_not_bring_a_person_back(client):
    sent = {"json": {"name": "Ana", "email": "ana@exemplo.com.br"}}
    sent["headers"] = {"Idempotency-Key": "k-1"}
    made = await client.post("/api/v2/leads", **sent)
    assert made.status_code == 201
    other = {
        "json": {"name": "Bia", "email": "bia@exemplo.com.br"},
        "headers": {"Idempotency-Key": "k-2"},
    }
    assert (await client.post("/api/v2/leads", **other)).status_code == 201
    assert (await client.post(ERASURES, json={"email": "ana@exemplo.com.br"})).status_code == 201
    again = await client.post("/api/v2/leads", **sent)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
    assert "ana@" not in again.text.lower()
    kept = await client.post("/api/v2/leads", **other)
    assert (kept.status_code, kept.headers["Idempotency-Replayed"]) == (201, "true")


@pytest.mark.once
async def test_streams_that_redis_still_holds_are_erased_too(tmp_path):
    async with (
        running_redis() as redis,
        running_service(tmp_path / "data", REDIS_URL=redis.url) as service,
    ):
        client = service.client()
        agent = await an_agent(client)
        await stream(client, agent["id"], asking("Sou a Zenobia", visitor_id="zenobia"))
        connection = Redis.from_url(redis.url)
        assert [key async for key in connection.scan_iter("adc:v1:run:*")]
        assert (await client.post(ERASURES, json={"visitor_id": "zenobia"})).status_code == 201
        assert [key async for key in connection.scan_iter("adc:v1:run:*")] == []
        await connection.aclose()
        await client.aclose()
