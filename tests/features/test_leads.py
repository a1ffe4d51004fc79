"""Leads over HTTP."""

import asyncio
import csv
import io

import pytest

from app.container import open_ports
from app.core.ids import new_id
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from tests.support.tool_calls import a_shop

pytestmark = pytest.mark.anyio
LEADS = "/api/v2/leads"


async def a_lead(client, **fields):
    answer = await client.post(LEADS, json={"email": f"{new_id()}@exemplo.com.br", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def found(client, **params):
    answer = await client.get(LEADS, params=params)
    assert answer.status_code == 200, answer.text
    return [lead["id"] for lead in answer.json()["data"]]


async def exported(client, **params):
    answer = await client.get(f"{LEADS}/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_lead_is_kept_in_one_form_and_can_be_read_back(client):
    answer = await client.post(
        LEADS,
        json={
            "name": " Ana  Souza ",
            "email": "Ana@EXEMPLO.com.br",
            "phone": "(11) 98765-4321",
            "document": "12.abc.345/01de-35",
            "fields": {"interesse": "plano anual", "vagas": 3},
            "consent": {"text": "Aceito contato."},
        },
    )
    lead = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{LEADS}/{lead['id']}"
    assert (lead["name"], lead["email"]) == ("Ana Souza", "Ana@exemplo.com.br")
    assert (lead["phone"], lead["document"]) == ("+5511987654321", "12ABC34501DE35")
    assert (lead["document_type"], lead["source"], lead["status"]) == ("cnpj", "manual", "new")
    assert lead["is_complete"] is True
    assert lead["consent"]["given_at"]
    assert (await client.get(f"{LEADS}/{lead['id']}")).json() == lead


async def test_a_bad_lead_is_refused_with_the_place_and_without_the_value(client):
    for body, pointer in (
        ({"name": "Ana"}, ""),
        ({"email": "ana@"}, "/email"),
        ({"phone": "91234-5678"}, "/phone"),
        ({"document": "529.982.247-26"}, "/document"),
        ({"email": "a@b.com", "emial": "x"}, "/emial"),
        ({"email": "a@b.com", "status": "hot"}, "/status"),
        ({"email": "a@b.com", "fields": {"Com Espaço": "x"}}, "/fields/Com Espaço/[key]"),
        ({"email": "a@b.com", "consent": {"text": ""}}, "/consent/text"),
    ):
        answer = await client.post(LEADS, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), body
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert "91234" not in answer.text
    assert await found(client) == []


async def test_of_the_same_person_there_is_one_lead_however_many_come_at_once(client):
    bodies = [{"phone": "11987654321", "email": f"a{n}@exemplo.com.br"} for n in range(8)]
    answers = await asyncio.gather(*(client.post(LEADS, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    (lead_id,) = await found(client)
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert (refused.json()["code"], refused.json()["lead_id"]) == ("lead_already_exists", lead_id)


async def test_two_who_share_a_telephone_and_have_different_documents_are_two(client):
    await a_lead(client, phone="11987654321", document="529.982.247-25")
    await a_lead(client, phone="11987654321", document="111.444.777-35")
    assert len(await found(client)) == 2


async def test_a_lead_cannot_be_changed_into_another_one(client):
    await a_lead(client, email="ana@exemplo.com.br")
    lead = await a_lead(client, email="bia@exemplo.com.br")
    answer = await client.patch(f"{LEADS}/{lead['id']}", json={"email": "ANA@exemplo.com.br"})
    assert (answer.status_code, answer.json()["code"]) == (409, "lead_already_exists")
    same = await client.patch(f"{LEADS}/{lead['id']}", json={"email": "BIA@exemplo.com.br"})
    assert same.status_code == 200


async def test_only_the_sent_fields_are_changed(client):
    lead = await a_lead(client, name="Ana", company="Loja", fields={"a": 1})
    changes = {"status": "contacted", "notes": "Ligar.", "company": None, "fields": {"b": True}}
    answer = await client.patch(f"{LEADS}/{lead['id']}", json=changes)
    assert answer.json() | {"updated_at": 0} == lead | changes | {"updated_at": 0}


async def test_a_deleted_lead_is_not_found_the_second_time(client):
    lead = await a_lead(client)
    assert (await client.delete(f"{LEADS}/{lead['id']}")).status_code == 204
    answer = await client.delete(f"{LEADS}/{lead['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "lead_not_found")
    answer = await client.patch(f"{LEADS}/{lead['id']}", json={"status": "won"})
    assert (answer.status_code, answer.json()["code"]) == (404, "lead_not_found")


async def test_leads_are_found_as_people_write_them(client):
    ana = await a_lead(client, name="Antônia", phone="11987654321", document="529.982.247-25")
    await a_lead(client, name="Bia", company="Padaria São João")
    for q in ("antonia", "98765-4321", "(11) 98765", "529.982.247", ana["email"].upper()):
        assert await found(client, q=q) == [ana["id"]], q
    assert len(await found(client, q="padaria sao joao")) == 1
    assert await found(client, q="%") == []


async def test_each_filter_lets_its_own_through(client):
    ana = await a_lead(client, source="feira", consent={"text": "Sim."})
    bia = await a_lead(client, status="won")
    assert await found(client, source="feira") == [ana["id"]]
    assert await found(client, consent="true") == [ana["id"]]
    assert await found(client, consent="false") == [bia["id"]]
    assert await found(client, status="won") == [bia["id"]]
    assert await found(client, agent_id=new_id()) == []
    assert await found(client, conversation_id=new_id()) == []
    assert await found(client, is_complete="false") == []
    assert await found(client, **{"from": bia["created_at"]}) == [bia["id"]]
    assert await found(client, to=bia["created_at"]) == [ana["id"]]


async def test_pages_hold_every_lead_once_while_others_are_added(client):
    made = [(await a_lead(client))["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = (
            await client.get(LEADS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [lead["id"] for lead in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await a_lead(client)
    assert seen == made[::-1]


async def test_the_export_is_a_table_with_the_same_filters(client):
    await a_lead(client, name="José", phone="11987654321", fields={"plano": "=1+1", "vagas": 2})
    await a_lead(client, name="Bia", status="lost", notes="a;=2\nb", fields={"cor": "azul"})
    answer = await exported(client)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="leads.csv"'
    assert answer.content.startswith("\ufeffid,".encode())
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["name"] for row in rows] == ["Bia", "José"]
    assert (rows[1]["phone"], rows[1]["fields.plano"]) == ("'+5511987654321", "'=1+1")
    assert (rows[1]["fields.vagas"], rows[1]["fields.cor"]) == ("2", "")
    assert rows[0]["notes"] == "a;'=2\nb"
    assert (await exported(client, status="lost")).text.count("\r\n") == 2
    assert (await exported(client, delimiter="semicolon")).text.startswith("\ufeffid;created_at;")


@pytest.mark.once
async def test_the_export_reads_on_while_it_is_sent(client, connection):
    agent = (await client.post("/api/v2/agents", json={"name": "Ana"})).json()
    await connection.execute(
        """insert into agentes.leads (id, organization_id, source, email, is_complete)
           select agentes.uuid_v7(), $1, 'feira', n || '@exemplo.com.br', true
             from generate_series(1, 1200) n""",
        agent["organization_id"],
    )
    rows = list(csv.reader(io.StringIO((await exported(client)).text, newline="")))
    assert len({row[0] for row in rows}) == 1201


async def test_a_lead_entered_by_hand_is_announced_once(client, settings):
    agent = (await client.post("/api/v2/agents", json={"name": "Ana"})).json()
    lead = await a_lead(client, fields={"plano": "anual"})
    await client.patch(f"{LEADS}/{lead['id']}", json={"status": "won"})
    async with open_ports(settings) as ports:
        events = await ports.database.scoped(agent["organization_id"]).call(
            "rows_find_v1", table="events", where={"type": "lead_captured"}, order_by="number"
        )
    assert [event["data"]["lead_id"] for event in events] == [lead["id"]]
    assert events[0]["data"]["fields"] == {"plano": "anual"}


async def test_one_organization_never_sees_anothers_leads(client, settings):
    async with open_ports(settings) as ports:
        shop = await a_shop(ports)
        conversation = await shop.a_conversation()
        theirs = await shop.call(
            "lead_capture", {"required_fields": ["email"]}, {"email": "x@y.com"}, conversation
        )
    path = f"{LEADS}/{theirs.trace['lead_id']}"
    assert await found(client) == []
    assert (await exported(client)).text.count("\r\n") == 1
    assert (await client.get(path)).status_code == 404
    assert (await client.patch(path, json={"status": "won"})).status_code == 404
    assert (await client.delete(path)).status_code == 404
    await a_lead(client, email="x@y.com")  # nor does theirs stand in our way


async def test_a_key_reaches_what_its_scopes_say(client, settings):
    lead = await a_lead(client)
    agent = (await client.post("/api/v2/agents", json={"name": "Ana"})).json()
    key = new_key()
    async with open_ports(settings) as ports:
        await IdentityRepository(ports.database).register_key(
            agent["organization_id"], key, name="Leitura", scopes=["leads:read"]
        )
    client.headers["Authorization"] = f"Bearer {key.text}"
    assert await found(client) == [lead["id"]]
    for method, path in (("POST", LEADS), ("PATCH", f"{LEADS}/{lead['id']}")):
        answer = await client.request(method, path, json={"email": "a@b.com"})
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "leads:write")
    assert (await client.delete(f"{LEADS}/{lead['id']}")).status_code == 403
    assert (await client.get("/api/v2/agents")).status_code == 403
