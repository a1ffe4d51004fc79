"""Questions without an answer: counted, listed, answered."""

import pytest

from app.features.knowledge.wording import impersonal
from tests.support.stories import a_taught_agent, asking, indexed, stream, text_of

pytestmark = pytest.mark.anyio
GAPS = "/api/v2/knowledge/gaps"


async def gaps(client, **filters):
    return (await client.get(GAPS, params=filters)).json()["data"]


async def test_questions_with_the_same_words_are_one_gap_until_it_is_answered(client):
    agent = await a_taught_agent(client)
    for question in ("Vocês embrulham presentes?", "Embrulham presente?", "EMBRULHAM PRESENTES"):
        await stream(client, agent["id"], asking(question))
    (gap,) = await gaps(client, agent_id=agent["id"])
    assert (gap["count"], len(gap["examples"]), gap["status"]) == (3, 3, "open")
    answer = await client.post(
        f"{GAPS}/{gap['id']}/entry", json={"answer": "Sim, embrulhamos sem custo."}
    )
    assert answer.status_code == 202
    document = await indexed(client, answer.json()["id"])
    assert document["question"] == gap["question"]
    events = await stream(client, agent["id"], asking("Embrulham presentes?"))
    assert "sem custo" in text_of(events)
    assert await gaps(client) == []
    (closed,) = await gaps(client, status="answered")
    assert closed["document_id"] == answer.json()["id"]


async def test_what_is_dismissed_stays_so_however_often_it_is_asked(client):
    agent = await a_taught_agent(client)
    await stream(client, agent["id"], asking("Vocês vendem elefantes?"))
    (gap,) = await gaps(client)
    answer = await client.patch(f"{GAPS}/{gap['id']}", json={"status": "dismissed"})
    assert answer.json()["status"] == "dismissed"
    await stream(client, agent["id"], asking("Vendem elefantes?"))
    assert await gaps(client) == []
    assert (await gaps(client, status="dismissed"))[0]["count"] == 2


async def test_answered_questions_and_greetings_are_no_gaps(client):
    agent = await a_taught_agent(client)
    for question in ("Qual é o prazo de entrega para o Nordeste?", "Oi, bom dia!"):
        await stream(client, agent["id"], asking(question))
    assert await gaps(client) == []


async def test_a_gap_that_is_not_there_is_not_found(client):
    missing = f"{GAPS}/01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"
    assert (await client.get(missing)).json()["code"] == "gap_not_found"
    assert (await client.post(f"{missing}/entry", json={"answer": "x"})).status_code == 404
    assert (await client.patch(missing, json={"status": "open"})).status_code == 404


def test_a_gap_tells_nobody_who_asked():
    asked = "Sou ana@exemplo.com.br, (11) 98765-4321, CPF 123.456.789-09: entregam em 30 dias?"
    kept = impersonal(asked)
    for secret in ("ana@", "98765", "4321", "123.456", "-09"):
        assert secret not in kept
    assert "30 dias" in kept
