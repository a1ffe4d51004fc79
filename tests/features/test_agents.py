"""Agents over HTTP."""

import asyncio

import pytest

from app.core.ids import new_id
from tests.support.stories import a_base, an_agent

pytestmark = pytest.mark.anyio
AGENTS = "/api/v2/agents"


async def test_a_created_agent_can_be_read_back(client):
    created = await an_agent(client, name="Ana", suggested_questions=["Qual é o prazo?"])
    answer = await client.get(f"{AGENTS}/{created['id']}")
    assert answer.json() == created
    assert answer.headers["etag"] == '"1"'
    assert created["language"] == "pt-BR"


async def test_creating_answers_with_the_location(client):
    answer = await client.post(AGENTS, json={"name": "Ana"})
    assert answer.headers["location"] == f"{AGENTS}/{answer.json()['id']}"


async def test_every_change_makes_a_version_that_tells_what_changed(client):
    agent = await an_agent(client)
    await client.patch(f"{AGENTS}/{agent['id']}", json={"name": "Bia"})
    versions = (await client.get(f"{AGENTS}/{agent['id']}/versions")).json()["data"]
    assert [version["version"] for version in versions] == [2, 1]
    assert versions[0]["changes"] == {"name": {"from": "Ana", "to": "Bia"}}


async def test_a_change_to_what_is_there_already_makes_no_version(client):
    agent = await an_agent(client)
    answer = await client.patch(f"{AGENTS}/{agent['id']}", json={"name": "Ana"})
    assert answer.json()["version"] == 1


async def test_an_earlier_version_comes_back_under_a_new_number(client):
    agent = await an_agent(client)
    await client.patch(f"{AGENTS}/{agent['id']}", json={"name": "Bia", "temperature": 1})
    answer = await client.post(f"{AGENTS}/{agent['id']}/versions/1/restore")
    assert answer.json() | {"updated_at": 0} == agent | {"version": 3, "updated_at": 0}


async def test_a_nested_object_that_is_sent_in_part_keeps_its_defaults(client):
    agent = await an_agent(client)
    answer = await client.patch(f"{AGENTS}/{agent['id']}", json={"retrieval": {"top_k": 9}})
    assert answer.json()["retrieval"] == agent["retrieval"] | {"top_k": 9}


async def test_of_twenty_changes_to_one_version_exactly_one_wins(client):
    agent = await an_agent(client)
    answers = await asyncio.gather(
        *(
            client.patch(
                f"{AGENTS}/{agent['id']}", json={"name": f"N{n}"}, headers={"If-Match": '"1"'}
            )
            for n in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19


async def test_a_weak_tag_never_matches(client):
    agent = await an_agent(client)
    answer = await client.patch(
        f"{AGENTS}/{agent['id']}", json={"name": "B"}, headers={"If-Match": 'W/"1"'}
    )
    assert (answer.status_code, answer.json()["code"]) == (412, "agent_version_mismatch")


async def test_a_deletion_bound_to_another_version_deletes_nothing(client):
    agent = await an_agent(client)
    path = f"{AGENTS}/{agent['id']}"
    await client.patch(path, json={"name": "B"})
    for tag in ('"1"', 'W/"2"', '"3", "1"'):
        answer = await client.delete(path, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["code"]) == (412, "agent_version_mismatch")
    assert (await client.delete(path, headers={"If-Match": '"1", "2"'})).status_code == 204
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 404


async def test_a_deleted_agent_is_not_found_the_second_time(client):
    agent = await an_agent(client)
    assert (await client.delete(f"{AGENTS}/{agent['id']}")).status_code == 204
    assert (await client.delete(f"{AGENTS}/{agent['id']}")).status_code == 404


async def test_pages_hold_every_agent_once_while_others_are_added(client):
    made = [(await an_agent(client, name=f"A{n}"))["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(AGENTS, params=params)).json()
        seen += [agent["id"] for agent in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await an_agent(client, name="late")
    assert seen == made[::-1]


async def test_a_cursor_of_another_list_is_refused(client):
    for n in range(2):
        await an_agent(client, name=f"A{n}")
    cursor = (await client.get(AGENTS, params={"limit": 1})).json()["next_cursor"]
    for params in ({"cursor": cursor, "q": "x"}, {"cursor": cursor[:-2] + "xx"}, {"cursor": "é"}):
        answer = await client.get(AGENTS, params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_words_are_found_without_their_accents(client):
    agent = await an_agent(client, name="Promoções de Verão")
    await an_agent(client, name="Outra")
    found = (await client.get(AGENTS, params={"q": "promocoes"})).json()["data"]
    assert [row["id"] for row in found] == [agent["id"]]


async def test_a_percent_sign_is_looked_for_and_matches_nothing_else(client):
    await an_agent(client)
    assert (await client.get(AGENTS, params={"q": "%"})).json()["data"] == []


async def test_a_copy_says_so_in_its_name(client):
    agent = await an_agent(client, name="x" * 100)
    copy = (await client.post(f"{AGENTS}/{agent['id']}/duplicate")).json()
    assert copy["name"].endswith(" (cópia)")
    assert copy["version"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "A", "nmae": 1}, "/nmae"),
        ({"name": "A", "temperature": 3}, "/temperature"),
        ({"name": "A", "max_tokens": "10"}, "/max_tokens"),
        ({"name": "A", "is_active": 1}, "/is_active"),
        ({"name": "A", "retrieval": {"top_k": True}}, "/retrieval/top_k"),
        ({"name": "A", "knowledge_base_ids": ["no-id"]}, "/knowledge_base_ids/0"),
        ({"name": "A", "knowledge_base_ids": [new_id()]}, "/knowledge_base_ids"),
    ],
)
async def test_a_bad_agent_is_refused_with_the_place_and_without_the_value(client, body, pointer):
    answer = await client.post(AGENTS, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(AGENTS)).json()["data"] == []


async def test_a_model_that_nobody_serves_is_refused(client):
    answer = await client.post(AGENTS, json={"name": "A", "model_id": "nobody-1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")


async def test_a_base_that_is_deleted_leaves_its_agents(client):
    base = await a_base(client)
    agent = await an_agent(client, knowledge_base_ids=[base])
    await client.delete(f"/api/v2/knowledge/bases/{base}")
    answer = await client.get(f"{AGENTS}/{agent['id']}")
    assert answer.json()["knowledge_base_ids"] == []
