"""Reading again what has not changed, and changing only what was read."""

import pytest

from tests.support.stories import a_base, an_agent

pytestmark = pytest.mark.anyio
AGENTS = "/api/v2/agents"


@pytest.mark.parametrize("given", ['"1"', 'W/"1"', '"0", "1"', 'W/"0",W/"1"', "*", '"a,b", "1"'])
async def test_what_the_client_has_is_304_without_a_body(client, given):
    agent = await an_agent(client)
    path = f"{AGENTS}/{agent['id']}"
    assert (await client.get(path)).headers["etag"] == '"1"'
    answer = await client.get(path, headers={"If-None-Match": given})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "content-type" not in answer.headers
    assert answer.headers["x-request-id"]
    assert (await client.head(path, headers={"If-None-Match": given})).status_code == 304


@pytest.mark.parametrize("given", ['"2"', "1", "", '"', 'W/"2", "3"', '"1', '"*"'])
async def test_what_the_client_has_not_is_sent_whole(client, given):
    agent = await an_agent(client)
    answer = await client.get(f"{AGENTS}/{agent['id']}", headers={"If-None-Match": given})
    assert (answer.status_code, answer.json()) == (200, agent)


async def test_a_change_is_sent_whole_and_has_another_tag(client):
    agent = await an_agent(client)
    path = f"{AGENTS}/{agent['id']}"
    await client.patch(path, json={"name": "B"})
    answer = await client.get(path, headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')


async def test_settings_are_304_while_they_are_what_was_read(client):
    read = await client.get("/api/v2/settings")
    headers = {"If-None-Match": read.headers["etag"]}
    assert (await client.get("/api/v2/settings", headers=headers)).status_code == 304
    await client.patch("/api/v2/settings", json={"retention_days": {"events": 5}})
    assert (await client.get("/api/v2/settings", headers=headers)).status_code == 200


async def test_what_has_no_version_has_a_weak_tag_of_its_content(client):
    path = f"/api/v2/knowledge/bases/{await a_base(client)}"
    tag = (await client.get(path)).headers["etag"]
    assert tag.startswith('W/"')
    for given in (tag, tag.removeprefix("W/"), f'"x", {tag}'):
        answer = await client.get(path, headers={"If-None-Match": given})
        assert (answer.status_code, answer.headers["etag"]) == (304, tag)
    assert (await client.patch(path, json={"name": "Outra"})).status_code == 200
    answer = await client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["name"]) == (200, "Outra")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_change_bound_to_a_version_where_there_are_none_changes_nothing(client, method):
    path = f"/api/v2/knowledge/bases/{await a_base(client)}"
    read = await client.get(path)
    body = {"json": {"name": "Outra"}} if method == "PATCH" else {}
    for given in (read.headers["etag"], '"1"'):
        answer = await client.request(method, path, headers={"If-Match": given}, **body)
        assert (answer.status_code, answer.json()["code"]) == (412, "no_version_to_match")
    assert (await client.get(path)).json() == read.json()
    answer = await client.request(method, path, headers={"If-Match": "*"}, **body)
    assert answer.is_success


async def test_a_failure_has_no_tag_and_is_never_304(client):
    for path in (f"{AGENTS}/nobody", f"{AGENTS}/01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"):
        answer = await client.get(path, headers={"If-None-Match": "*"})
        assert answer.status_code in (404, 422)
        assert "etag" not in answer.headers
