"""How far one person's data reaches: to all that is theirs, and not to who only named them."""

import asyncio
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
    # Her address stands in his conversation, too: she is told of it, and sees nothing of his.
    for name in ({"email": ANA["email"]}, {"visitor_id": "ana"}, {"document": ANA["cpf"]}):
        mine = await exported(client, **name)
        assert mine["visitor_ids"] == ["ana"]
        assert [one["id"] for one in mine["conversations"]] == [hers]
        (named,) = mine["named_elsewhere"]
        assert (named["conversation_id"], named["visitor_id"]) == (his, "mallory")
        assert not re.search(r"Mallory|98765\W?4321", str(mine))
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


@pytest.mark.parametrize(
    "name", [{"email": ANA["email"]}, {"visitor_id": "ana"}, {"document": ANA["cpf"]}]
)
async def test_an_erasure_takes_a_person_out_of_what_others_have_said(
    client, shop, connection, name
):
    hers = await shop.a_conversation("ana")
    lead = ANA | {"phone": "(11) 98765-4321"}
    await shop.call("lead_capture", LEAD, lead, hers, visitor_id="ana")
    agent = await an_agent(client)
    told = (
        "Mande também para ANA@exemplo.com.br, telefone 011 98765 4321 ou +55 (11) 98765-4321,"
        " CPF 529982247-25. O meu é bana@exemplo.com.br, e 11 98765-43210 não existe."
    )
    answer = await stream(client, agent["id"], asking(told, visitor_id="mallory"))
    his = await shop.a_conversation("mallory")
    await shop.call("lead_capture", LEAD, ANA | {"name": "M"}, his, visitor_id="mallory")
    shown = await shop.call("form", FORM, {}, his)
    url = f"/api/v2/forms/{shown.form.data['form_id']}/submissions"
    assert (await client.post(url, json={"values": {"email": ANA["email"]}})).status_code == 201
    erased = await client.post(ERASURES, json=name)
    assert erased.status_code == 201, erased.text
    assert erased.json()["removed"]["mentions"] >= 4
    left = await everything(connection)
    assert not re.search(r"(?<!b)ana@exemplo", left, re.IGNORECASE)
    assert not re.search(r"98765\W?4321(?!0)|529\W?982\W?247", left)
    (one,) = (await client.get("/api/v2/conversations?visitor_id=mallory&q=Mande")).json()["data"]
    messages = (await client.get(f"/api/v2/conversations/{one['id']}/messages")).json()["data"]
    assert messages[0]["content"] == (
        "Mande também para ***, telefone *** ou ***,"
        " CPF ***. O meu é bana@exemplo.com.br, e 11 98765-43210 não existe."
    )
    assert answer
    assert (await client.get(f"/api/v2/conversations/{his}")).status_code == 200
    again = await client.post(ERASURES, json=name)
    assert (again.status_code, again.json()["code"]) == (404, "person_not_found")


async def test_who_is_only_named_by_others_is_found_and_taken_out(client, connection):
    agent = await an_agent(client)
    told = "Avisem a bia@exemplo.com.br, por favor."
    await stream(client, agent["id"], asking(told, visitor_id="outra"))
    found = await exported(client, email="bia@exemplo.com.br")
    assert found["conversations"] == []
    assert [one["visitor_id"] for one in found["named_elsewhere"]] == ["outra"]
    receipt = (await client.post(ERASURES, json={"email": "bia@exemplo.com.br"})).json()
    assert receipt["removed"].keys() == {"mentions"}
    assert "xemplo.com.br" not in await everything(connection)


async def test_an_export_names_every_place_from_which_an_erasure_would_take_a_person_out(
    client, connection
):
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Oi", visitor_id="outra"))
    (other,) = (await client.get("/api/v2/conversations?visitor_id=outra")).json()["data"]
    path = f"/api/v2/conversations/{other['id']}"
    metadata = {"metadata": {"indicado_por": "bia@exemplo.com.br"}}
    assert (await client.patch(path, json=metadata)).status_code == 200
    lead = {"name": "Caio", "email": "caio@exemplo.com.br", "notes": "irmão de BIA@exemplo.com.br"}
    lead_id = (await client.post("/api/v2/leads", json=lead)).json()["id"]
    found = await exported(client, email="bia@exemplo.com.br")
    assert {(one["conversation_id"], one["lead_id"]) for one in found["named_elsewhere"]} == {
        (other["id"], None),
        (None, lead_id),
    }
    receipt = (await client.post(ERASURES, json={"email": "bia@exemplo.com.br"})).json()
    assert receipt["removed"]["mentions"] >= 2
    assert "bia@exemplo" not in (await everything(connection)).lower()
    assert await exported(client, email="bia@exemplo.com.br") == "person_not_found"


async def test_what_hides_from_collectors_of_addresses_is_taken_out_too(client, connection):
    agent = await an_agent(client)
    told = (
        "ana @ exemplo.com.br, ana&#64;exemplo.com.br, ana [at] exemplo.com.br,"
        " ana(arroba)exemplo.com.br, ana＠exemplo.com.br, ana at exemplo.com.br"
    )
    await stream(client, agent["id"], asking(told, visitor_id="outra"))
    assert (await client.post(ERASURES, json={"email": "ana@exemplo.com.br"})).status_code == 201
    assert "xemplo.com.br" not in await everything(connection)
    told = "Ligue （１１） ９８７６５－４３２１ ou +55 (１１) 98765 ４３２１, não 11 98765 4322"
    await stream(client, agent["id"], asking(told, visitor_id="outra"))
    answer = await client.post(ERASURES, json={"phone": "+5511987654321"})
    assert answer.status_code == 201
    left = await everything(connection)
    assert "４３２１" not in left
    assert "98765 4322" in left


async def test_an_erasure_leaves_what_only_looks_like_the_address(client, connection):
    lead = {"name": "Dono", "email": "dono@catfe.com.br"}
    assert (await client.post("/api/v2/leads", json=lead)).status_code == 201
    lead = {"name": "C", "email": "c@fe.com.br", "notes": "１１５２９９８２２４７２５５"}
    lead_id = (await client.post("/api/v2/leads", json=lead)).json()["id"]
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Veja www.catfe.com.br e x@c@fe.com.br"))
    answer = await client.post(ERASURES, json={"lead_id": lead_id})
    assert answer.status_code == 201
    (other,) = (await client.get("/api/v2/leads")).json()["data"]
    assert other["email"] == "dono@catfe.com.br"
    assert "www.catfe.com.br" in await everything(connection)


async def test_queues_know_of_what_an_erasure_has_taken_out_of_them(client, shop, connection):
    hook = {"name": "X", "url": "https://away.example.com/", "events": ["*"]}
    assert (await client.post("/api/v2/webhooks", json=hook)).status_code == 201
    hers = await shop.a_conversation("ana")
    await shop.call("lead_capture", LEAD, ANA, hers, visitor_id="ana")
    async with asyncio.timeout(20):
        while not await connection.fetchval("select count(*) from agentes.webhook_deliveries"):
            await asyncio.sleep(0.1)
    assert (await client.post(ERASURES, json={"visitor_id": "ana"})).status_code == 201
    assert await connection.fetchval(
        """select bool_and(l.in_flight = d.sending and l.next_due_at is not distinct from d.due)
             from agentes.webhook_lanes l, lateral (
               select count(*) filter (where d.status = 'sending') as sending,
                      min(d.next_attempt_at) filter (where d.status = 'pending') as due
                 from agentes.webhook_deliveries d where d.webhook_id = l.webhook_id) d"""
    )


async def test_a_receipt_holds_nothing_of_the_person_whatever_was_typed(client, shop, connection):
    hers = await shop.a_conversation("ana-do-site")
    await shop.call(
        "lead_capture", LEAD, ANA | {"name": "Ana (Souza)"}, hers, visitor_id="ana-do-site"
    )
    reason = "Pedido de ana  souza <ANA@exemplo.com.br>, visitante ana-do-site, protocolo 1234"
    body = {"email": ANA["email"], "reason": reason}
    receipt = (await client.post(ERASURES, json=body)).json()
    assert receipt["reason"] == "Pedido de ***  *** <***>, visitante ***, protocolo 1234"
    left = await everything(connection)
    assert not re.search(r"Souza|xemplo\.com\.br", left)
    nobody = {"visitor_id": "ninguem", "reason": "Protocolo 1235"}
    assert (await client.post(ERASURES, json=nobody)).status_code == 404


async def test_what_another_lead_is_known_by_as_well_stays_with_that_one(client, shop, connection):
    for visitor in ("ana", "beto"):  # one telephone in a family
        conversation = await shop.a_conversation(visitor)
        details = {"name": visitor, "email": f"{visitor}@exemplo.com.br"}
        await shop.call("lead_capture", LEAD, details, conversation, visitor_id=visitor)
    await connection.execute("update agentes.leads set phone = '+5511987654321'")
    assert (await client.post(ERASURES, json={"visitor_id": "ana"})).status_code == 201
    (lead,) = (await client.get("/api/v2/leads")).json()["data"]
    assert (lead["name"], lead["phone"]) == ("beto", "+5511987654321")


async def test_webhook_payloads_are_found_when_their_events_are_gone(client, shop, connection):
    inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
    hook = {"name": "Gancho", "url": inbox["url"], "events": ["*"]}
    assert (await client.post("/api/v2/webhooks", json=hook)).status_code == 201
    hers = await shop.a_conversation("ana")
    await shop.call("lead_capture", LEAD, ANA, hers, visitor_id="ana")
    async with asyncio.timeout(10):
        while not await connection.fetchval(
            "select count(*) from agentes.webhook_messages where type = 'lead_captured'"
        ):
            await asyncio.sleep(0.05)
    await connection.execute("delete from agentes.events")
    found = await exported(client, visitor_id="ana")
    assert found["webhook_deliveries"]
    assert (await client.post(ERASURES, json={"visitor_id": "ana"})).status_code == 201
    assert "xemplo.com.br" not in await everything(connection)


async def test_what_was_counted_of_a_visitor_goes_with_it(client, connection):
    changed = await client.patch(
        "/api/v2/settings", json={"budgets": {"visitor_tokens_per_day": 100_000}}
    )
    assert changed.status_code == 200, changed.text
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Oi", visitor_id="zenobia"))
    assert "zenobia" in await everything(connection)
    assert (await client.post(ERASURES, json={"visitor_id": "zenobia"})).status_code == 201
    assert "zenobia" not in await everything(connection)


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
