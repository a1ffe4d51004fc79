"""One person's data: found whole, given out, and erased without a trace or a neighbour's loss."""

import pytest

from tests.support.stories import an_agent, asking

pytestmark = pytest.mark.anyio
EXPORTS, ERASURES = "/api/v2/privacy/exports", "/api/v2/privacy/erasures"
CANARY = "canarinho"


@pytest.fixture
async def ana(client, connection):
    """A visitor who has chatted twice, once leaving her address."""
    agent = await an_agent(client)
    inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
    hook = {"name": "Gancho", "url": inbox["url"], "events": ["*"]}
    assert (await client.post("/api/v2/webhooks", json=hook)).status_code == 201
    chats = []
    for visitor, text in (("v-ana", CANARY), ("v-ana", CANARY), ("v-bia", "Oi")):
        body = asking(f"{text}?") | {"visitor_id": visitor}
        chats.append((await client.post(f"/api/v2/agents/{agent['id']}/chat", json=body)).json())
    lead = {"name": f"Ana {CANARY}", "email": "Ana@Exemplo.com.br"}
    made = await client.post("/api/v2/leads", json=lead)
    assert made.status_code == 201, made.text
    await connection.execute(  # as if a tool had taken it in that conversation
        "update agentes.leads set conversation_id = $1::uuid, visitor_id = 'v-ana'",
        chats[0]["conversation_id"],
    )
    return {"chats": chats, "lead": made.json()}


async def test_a_person_is_found_by_any_name_with_all_that_is_theirs(client, ana):
    for name in ({"email": "ana@exemplo.com.br"}, {"lead_id": ana["lead"]["id"]}):
        export = (await client.post(EXPORTS, json=name)).json()
        assert [lead["id"] for lead in export["leads"]] == [ana["lead"]["id"]]
        assert ana["chats"][0]["conversation_id"] in [c["id"] for c in export["conversations"]]
    export = (await client.post(EXPORTS, json={"visitor_id": "v-ana"})).json()
    assert len(export["conversations"]) == 2
    assert export["leads"][0]["email"]
    assert CANARY in str(export)
    assert "v-bia" not in str(export)


async def test_an_erasure_leaves_no_trace_and_takes_nobody_elses(client, ana, connection):
    erased = await client.post(ERASURES, json={"visitor_id": "v-ana", "reason": "Pedido 1"})
    assert erased.status_code == 201, erased.text
    receipt = erased.json()
    assert receipt["removed"]["conversations"] == 2
    assert receipt["removed"]["leads"] == 1
    assert (await client.get(erased.headers["location"])).json() == receipt
    assert "v-ana" not in str(receipt)
    for table in await connection.fetch(
        "select relname from pg_class where relnamespace = 'agentes'::regnamespace"
        " and relkind = 'r'"
    ):
        rows = await connection.fetch(f"select t::text as row from agentes.{table['relname']} t")
        for row in rows:
            for trace in (CANARY, "v-ana", "xemplo.com.br"):
                assert trace not in row["row"], table["relname"]
    left = (await client.get("/api/v2/conversations")).json()["data"]
    assert [one["id"] for one in left] == [ana["chats"][2]["conversation_id"]]
    again = await client.post(ERASURES, json={"visitor_id": "v-ana"})
    assert (again.status_code, again.json()["code"]) == (404, "person_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ana@exemplo.com.br", "visitor_id": "v-ana"},
        {"email": "ana"},
        {"phone": "123456"},
        {"document": "11111111111"},
    ],
)
async def test_a_person_is_named_in_exactly_one_valid_way(client, body):
    assert (await client.post(EXPORTS, json=body)).status_code == 422


async def test_conversations_are_kept_as_long_as_the_organization_says(client, ana, connection):
    old = ana["chats"][2]["conversation_id"]
    await connection.execute(
        "update agentes.conversations set updated_at = now() - interval '31 days'"
        " where id = $1::uuid",
        old,
    )
    assert await connection.fetchval("select conversations_expire_v1(100)") == "0"
    kept = await client.patch("/api/v2/settings", json={"retention_days": {"conversations": 30}})
    assert kept.json()["retention_days"] == {
        "conversations": 30,
        "events": 7,
        "deliveries": 30,
        "leads": None,
        "audit_log": None,
    }
    assert await connection.fetchval("select conversations_expire_v1(100)") == "1"
    assert (await client.get(f"/api/v2/conversations/{old}")).status_code == 404


async def test_leads_and_the_audit_log_are_kept_as_long_as_the_organization_says(
    client, connection
):
    for name in ("Ana", "Bia"):
        lead = {"name": name, "email": f"{name}@exemplo.com.br"}
        assert (await client.post("/api/v2/leads", json=lead)).status_code == 201
    for table, where in (("leads", "name = 'Ana'"), ("audit_log", "resource = 'lead'")):
        old = "updated_at = now() - interval '31 days'"
        if table == "audit_log":
            old = "id = agentes.uuid_at(now() - row_number * interval '31 days')"
            await connection.execute(
                f"update agentes.audit_log l set {old} from (select id as which, row_number() over"
                f" () from agentes.audit_log where {where}) o where o.which = l.id"
            )
        else:
            await connection.execute(f"update agentes.{table} set {old} where {where}")
    for kind in ("leads", "audit"):
        assert await connection.fetchval(f"select {kind}_expire_v1(100)") == "0"
    days = {"leads": 30, "audit_log": 30}
    kept = await client.patch("/api/v2/settings", json={"retention_days": days})
    assert kept.json()["retention_days"]["leads"] == 30
    assert await connection.fetchval("select leads_expire_v1(100)") == "1"
    assert await connection.fetchval("select audit_expire_v1(100)") == "2"
    left = (await client.get("/api/v2/leads")).json()["data"]
    assert [lead["name"] for lead in left] == ["Bia"]
    log = (await client.get("/api/v2/settings/audit-log")).json()["data"]
    assert {entry["resource"] for entry in log} == {"settings"}
