"""The ledger of conversions: once, attributed, taken back, announced, erased."""

import asyncio

import pytest

from tests.support.stories import a_taught_agent, an_agent, asking

pytestmark = pytest.mark.anyio
CONVERSIONS = "/api/v2/analytics/conversions"
SALE = {"type": "purchase", "value": 149.9, "currency": "BRL", "external_id": "pedido-1"}


async def chatting(client, agent, question="Qual é o prazo de entrega para o Nordeste?", **fields):
    answer = await client.post(
        f"/api/v2/agents/{agent['id']}/chat", json=asking(question, **fields)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def talk(client):
    """A conversation whose answer cites a passage."""
    agent = await a_taught_agent(client)
    return await chatting(client, agent, visitor_id="v-ana")


async def recorded(client, talk, status=201, **fields):
    body = SALE | {"conversation_id": talk["conversation_id"]} | fields
    answer = await client.post(CONVERSIONS, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def refunded(client, conversion, status=201, **fields):
    answer = await client.post(f"{CONVERSIONS}/{conversion['id']}/refunds", json=fields)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_conversion_is_attributed_to_all_that_had_a_part_in_it(client, talk):
    made = await recorded(client, talk)
    assert (made["value"], made["currency"], made["kind"]) == (149.9, "BRL", "custom")
    assert (made["agent_version"], made["model_id"], made["tools"]) == (1, "local", [])
    cited = {
        source["chunk_id"] for source in talk["sources"] if f"[{source['index']}]" in talk["answer"]
    }
    assert cited
    assert {passage["chunk_id"] for passage in made["passages"]} == cited
    assert (await client.get(f"{CONVERSIONS}/{made['id']}")).json() == made
    (listed,) = (await client.get(CONVERSIONS, params={"chunk_id": cited.pop()})).json()["data"]
    assert listed == made


async def test_the_same_external_id_records_once_however_often_and_at_once_it_is_sent(client, talk):
    body = SALE | {"conversation_id": talk["conversation_id"]}
    answers = await asyncio.gather(*(client.post(CONVERSIONS, json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    other = await recorded(client, talk, 409, value=150)
    assert other["code"] == "conversion_differs"
    assert len((await client.get(CONVERSIONS)).json()["data"]) == 1


async def test_moments_are_taken_as_they_are_shown(client, talk):
    began = (await client.get(f"/api/v2/conversations/{talk['conversation_id']}")).json()
    first = await recorded(client, talk, occurred_at=began["created_at"])
    assert first["occurred_at"] == began["created_at"]
    early = await recorded(client, talk, 422, external_id="p-0", occurred_at="2020-01-01T00:00:00Z")
    assert (early["code"], early["earliest"]) == ("conversion_too_early", began["created_at"])
    await recorded(client, talk, external_id="p-1", occurred_at=early["earliest"])
    sale = await recorded(client, talk, external_id="p-2")
    same = await recorded(client, talk, 200, external_id="p-2", occurred_at=sale["occurred_at"])
    assert same == sale
    back = {"value": 9.9, "external_id": "r-1", "occurred_at": sale["occurred_at"]}
    once = await refunded(client, sale, **back)
    assert await refunded(client, sale, 200, **back) == once


async def test_an_organizations_own_model_is_named_as_it_is_known(client):
    body = {"id": "meu", "provider": "local", "upstream_model": "local"}
    made = await client.post("/api/v2/models", json=body)
    assert made.status_code == 201, made.text
    talk = await chatting(client, await an_agent(client, model_id="meu"))
    assert (await recorded(client, talk))["model_id"] == "meu"


async def test_a_conversion_is_announced_with_what_an_advertiser_asks_for(client, talk):
    made = await recorded(client, talk)
    async with asyncio.timeout(20):
        while True:
            listed = await client.get("/api/v2/events", params={"types": "conversion_recorded"})
            if listed.json()["data"]:
                break
            await asyncio.sleep(0.05)
    (event,) = listed.json()["data"]
    told = event["data"]
    assert told["conversion_id"] == made["id"]
    assert (told["value"], told["currency"], told["external_id"]) == (149.9, "BRL", "pedido-1")
    assert (told["visitor_id"], told["occurred_at"]) == ("v-ana", made["occurred_at"])
    assert [one["chunk_id"] for one in told["passages"]] == [
        one["chunk_id"] for one in made["passages"]
    ]


async def test_it_is_taken_back_in_parts_by_entries_of_their_own_and_never_beyond(client, talk):
    made = await recorded(client, talk)
    part = await refunded(client, made, value=49.9, external_id="estorno-1")
    assert (part["value"], part["kind"], part["refunded_id"]) == (-49.9, "refund", made["id"])
    assert await refunded(client, made, 200, value=49.9, external_id="estorno-1") == part
    different = await refunded(client, made, 409, value=1, external_id="estorno-1")
    assert different["code"] == "conversion_differs"
    beyond = await refunded(client, made, 409, value=100.01)
    assert (beyond["code"], beyond["left"]) == ("refund_exceeds_conversion", 100)
    rest = await refunded(client, made, external_id="estorno-2")
    assert rest["value"] == -100
    assert await refunded(client, made, 200, external_id="estorno-2") == rest
    assert (await refunded(client, made, 409))["code"] == "refund_exceeds_conversion"
    assert (await refunded(client, part, 409))["code"] == "conversion_not_refundable"
    assert (await client.get(f"{CONVERSIONS}/{made['id']}")).json() == made


async def test_refunds_that_come_together_take_back_no_more_than_there_was(client, talk):
    made = await recorded(client, talk, value=10)
    path = f"{CONVERSIONS}/{made['id']}/refunds"
    answers = await asyncio.gather(*(client.post(path, json={"value": 4}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]


async def test_a_final_conversion_and_one_without_a_value_are_taken_back_never_and_once(
    client, talk
):
    final = await recorded(client, talk, is_refundable=False)
    assert (await refunded(client, final, 409))["code"] == "conversion_not_refundable"
    body = {"conversation_id": talk["conversation_id"], "type": "signup"}
    plain = (await client.post(CONVERSIONS, json=body)).json()
    assert (await refunded(client, plain))["value"] is None
    await refunded(client, plain, 409)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 0},
        {"value": -1},
        {"value": 0.0000001},
        {"value": "149.9"},
        {"currency": "brl"},
        {"currency": None},
        {"value": None},
        {"type": "lead"},
        {"type": "refund"},
        {"type": "Compra!"},
        {"external_id": ""},
        {"occurred_at": "2020-01-01T00:00:00Z"},
        {"occurred_at": "2999-01-01T00:00:00Z"},
        {"occurred_at": 0},
        {"extra": 1},
    ],
)
async def test_what_is_not_valid_records_nothing(client, fields):
    talk = await chatting(client, await an_agent(client))
    await recorded(client, talk, 422, **fields)
    assert (await client.get(CONVERSIONS)).json()["data"] == []


async def test_a_conversion_of_no_conversation_is_refused(client):
    missing = {"conversation_id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"}
    assert (await recorded(client, missing, 404))["code"] == "conversation_not_found"
    gone = {"id": "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"}
    assert (await refunded(client, gone, 404))["code"] == "conversion_not_found"


async def test_the_list_is_filtered_and_paged(client, talk):
    for number in range(5):
        await recorded(client, talk, external_id=f"p-{number}", type=f"tipo_{number % 2}")
    first = (await client.get(CONVERSIONS, params={"limit": 3})).json()
    rest = await client.get(CONVERSIONS, params={"limit": 3, "cursor": first["next_cursor"]})
    ids = [one["external_id"] for one in first["data"] + rest.json()["data"]]
    assert ids == [f"p-{number}" for number in (4, 3, 2, 1, 0)]
    for where, count in (
        ({"type": "tipo_1"}, 2),
        ({"external_id": "p-3"}, 1),
        ({"currency": "USD"}, 0),
        ({"kind": "refund"}, 0),
        ({"to": "2020-01-01"}, 0),
        ({"from": "2020-01-01", "conversation_id": talk["conversation_id"]}, 5),
    ):
        assert len((await client.get(CONVERSIONS, params=where)).json()["data"]) == count, where


async def test_a_person_who_is_erased_leaves_no_conversion(client, talk, connection):
    await refunded(client, await recorded(client, talk))
    erased = await client.post("/api/v2/privacy/erasures", json={"visitor_id": "v-ana"})
    assert erased.status_code == 201, erased.text
    for table in ("conversions", "conversion_passages"):
        assert await connection.fetchval(f"select count(*) from agentes.{table}") == 0
    for table in ("outbox", "events", "audit_log"):
        for row in await connection.fetch(f"select t::text as row from agentes.{table} t"):
            assert "pedido-1" not in row["row"], table
