"""API keys over HTTP: made, bounded, rotated, revoked; never shown or kept in clear."""

import asyncio
import json

import httpx2
import pytest

from app.core.ids import new_id
from tests.conftest import serving
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
KEYS = "/api/v2/settings/api-keys"


async def a_key(client, **fields):
    answer = await client.post(KEYS, json={"name": "CRM", "scopes": ["agents:read"]} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def holding(client, key):
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(base_url=client.base_url, headers=headers, timeout=20)


async def test_a_key_does_what_its_scopes_say_and_no_more(client):
    key = await a_key(client)
    async with holding(client, key["key"]) as crm:
        assert (await crm.get("/api/v2/agents")).status_code == 200
        assert (await crm.post("/api/v2/agents", json={"name": "A"})).json()["code"] == (
            "scope_missing"
        )
        assert (await crm.get(KEYS)).status_code == 403


async def test_the_secret_is_shown_once_and_kept_nowhere(client, connection):
    key = await a_key(client)
    listed = (await client.get(KEYS)).json()["data"]
    assert {one["name"] for one in listed} == {"CRM", "First key"}
    secret = key["key"].split("_")[3]
    assert secret not in json.dumps(listed)
    assert "sha256" not in json.dumps(listed)
    for table in await connection.fetch(
        "select relname from pg_class where relnamespace = 'agentes'::regnamespace"
        " and relkind = 'r'"
    ):
        rows = await connection.fetch(f'select t::text as row from agentes."{table["relname"]}" t')
        assert not any(secret in row["row"] for row in rows)


async def test_no_key_makes_a_key_that_may_more_than_itself(client):
    key = await a_key(client, scopes=["keys:write", "chat"])
    async with holding(client, key["key"]) as holder:
        refused = await holder.post(KEYS, json={"name": "X", "scopes": ["*"]})
        assert refused.json()["code"] == "scopes_too_wide"
        stronger = (await client.get(KEYS)).json()["data"][-1]
        refused = await holder.post(f"{KEYS}/{stronger['id']}/rotate", json={})
        assert refused.json()["code"] == "scopes_too_wide"
        assert (await holder.post(KEYS, json={"name": "X", "scopes": ["chat"]})).status_code == 201


async def test_a_revoked_key_is_refused_at_once_and_gone_the_second_time(client):
    key = await a_key(client)
    async with holding(client, key["key"]) as crm:
        assert (await crm.get("/api/v2/agents")).status_code == 200
        assert (await client.delete(f"{KEYS}/{key['id']}")).status_code == 204
        refused = await crm.get("/api/v2/agents")
        assert refused.status_code == 401
        assert (await client.delete(f"{KEYS}/{key['id']}")).status_code == 404
    listed = (await client.get(KEYS)).json()["data"]
    assert [one["status"] for one in listed if one["id"] == key["id"]] == ["revoked"]


async def test_another_process_refuses_a_revoked_key_within_five_seconds(client, settings):
    key = await a_key(client)
    async with serving(settings) as url, httpx2.AsyncClient(base_url=url) as other:
        headers = {"Authorization": f"Bearer {key['key']}"}
        assert (await other.get("/api/v2/agents", headers=headers)).status_code == 200
        await client.delete(f"{KEYS}/{key['id']}")
        async with asyncio.timeout(5.5):
            while (await other.get("/api/v2/agents", headers=headers)).status_code != 401:
                await asyncio.sleep(0.1)


async def test_after_a_rotation_the_secret_before_it_lasts_as_long_as_asked(client):
    key = await a_key(client)
    second = (await client.post(f"{KEYS}/{key['id']}/rotate", json={"overlap_hours": 1})).json()
    third = (await client.post(f"{KEYS}/{key['id']}/rotate", json={"overlap_hours": 1})).json()
    assert second["id"] == third["id"] == key["id"]
    answers = []
    for secret in (key["key"], second["key"], third["key"]):
        async with holding(client, secret) as crm:
            answers.append((await crm.get("/api/v2/agents")).status_code)
    assert answers == [401, 200, 200]
    await client.post(f"{KEYS}/{key['id']}/rotate", json={"overlap_hours": 0})
    async with holding(client, third["key"]) as crm:
        assert (await crm.get("/api/v2/agents")).status_code == 401


async def test_an_expired_key_is_refused_and_listed_as_that(client, connection):
    key = await a_key(client, expires_at="2099-01-01")
    async with holding(client, key["key"]) as crm:
        assert (await crm.get("/api/v2/agents")).status_code == 200
        await connection.execute(
            "update agentes.api_keys set expires_at = now() where id = $1::uuid", key["id"]
        )
        await asyncio.sleep(5.1)
        assert (await crm.get("/api/v2/agents")).status_code == 401
    listed = (await client.get(KEYS)).json()["data"]
    assert [one["status"] for one in listed if one["id"] == key["id"]] == ["expired"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "X", "scopes": ["everything"]}, "unknown_scopes"),
        ({"name": "X", "scopes": []}, "invalid_request"),
        ({"name": "", "scopes": ["chat"]}, "invalid_request"),
        ({"name": "X", "scopes": ["chat"], "organization_id": new_id()}, "invalid_request"),
        ({"name": "X", "scopes": ["chat"], "key": "ac_live_x"}, "invalid_request"),
    ],
)
async def test_what_is_no_key_is_refused(client, body, code):
    answer = await client.post(KEYS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_the_last_use_is_noted(settings, connection):
    async with serving(settings) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        async with httpx2.AsyncClient(base_url=url) as client:
            await client.get(KEYS, headers={"Authorization": f"Bearer {key}"})
    assert (
        await connection.fetchval(
            "select last_used_address from agentes.api_keys"
            " where last_used_at > now() - interval '1 minute'"
        )
        == "127.0.0.1"
    )


async def test_no_key_is_made_that_has_expired_already(client):
    body = {"name": "CRM", "scopes": ["chat"], "expires_at": "2020-01-01T00:00:00Z"}
    answer = await client.post(KEYS, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/expires_at", "detail": "lies in the past"}]


async def test_a_key_is_found_where_its_location_says(client):
    made = await client.post("/api/v2/settings/api-keys", json={"name": "K", "scopes": ["chat"]})
    read = await client.get(made.headers["location"])
    assert (read.status_code, read.json()["name"]) == (200, "K")
    assert "key" not in read.json()
    agent = await an_agent(client, visibility="public")
    body = {"agent_id": agent["id"], "name": "Site", "allowed_origins": ["https://a.example"]}
    made = await client.post("/api/v2/settings/widget-keys", json=body)
    assert (await client.get(made.headers["location"])).json() == made.json()
    gone = await client.get("/api/v2/settings/api-keys/01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77")
    assert (gone.status_code, gone.json()["code"]) == (404, "api_key_not_found")


async def test_a_key_does_not_outlive_the_key_that_made_it(client):
    short = await a_key(client, scopes=["keys:write", "chat"], expires_at="2099-01-01T00:00:00Z")
    async with holding(client, short["key"]) as holder:
        late = await holder.post(
            KEYS, json={"name": "X", "scopes": ["chat"], "expires_at": "2099-01-02T00:00:00Z"}
        )
        assert late.status_code == 422
        assert late.json()["errors"][0]["pointer"] == "/expires_at"
        made = await a_key(holder, scopes=["chat"])
    assert made["expires_at"] == short["expires_at"]


async def test_keys_that_a_key_has_made_are_found_and_ended_with_it(client):
    first = await a_key(client, scopes=["keys:write", "chat", "agents:read"])
    async with holding(client, first["key"]) as holder:
        second = await a_key(holder, scopes=["keys:write", "agents:read"])
    async with holding(client, second["key"]) as holder:
        third = await a_key(holder, scopes=["agents:read"])
    assert (await client.get(f"{KEYS}?created_by=nobody")).status_code == 422
    made = await client.get(KEYS, params={"created_by": f"api_key:{first['id']}"})
    assert [one["id"] for one in made.json()["data"]] == [second["id"]]
    assert (await client.delete(f"{KEYS}/{first['id']}")).status_code == 204
    async with holding(client, third["key"]) as holder:
        assert (await holder.get("/api/v2/agents")).status_code == 200
    whole = {"including_made": "true"}
    assert (await client.delete(f"{KEYS}/{first['id']}", params=whole)).status_code == 204
    for key in (second, third):
        async with holding(client, key["key"]) as holder:
            assert (await holder.get("/api/v2/agents")).status_code == 401
    assert (await client.delete(f"{KEYS}/{first['id']}", params=whole)).status_code == 404


async def test_a_rotation_that_is_sent_again_shows_the_same_secret(client):
    key = await a_key(client)
    again = {"Idempotency-Key": new_id()}
    answers = [
        await client.post(f"{KEYS}/{key['id']}/rotate", json={"overlap_hours": 1}, headers=again)
        for _ in range(2)
    ]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert answers[0].json()["key"] == answers[1].json()["key"] != key["key"]
    async with holding(client, answers[0].json()["key"]) as holder:
        assert (await holder.get("/api/v2/agents")).status_code == 200


async def test_no_key_that_is_just_being_made_outlives_the_end_of_the_line(client, connection):
    first = await a_key(client, scopes=["*"])
    made = []

    async def make(holder):
        while (answer := await holder.post(KEYS, json={"name": "X", "scopes": ["*"]})).is_success:
            made.append(answer.json()["id"])
        assert answer.status_code == 401

    async with holding(client, first["key"]) as holder, asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(make(holder))
        while len(made) < 8:
            await asyncio.sleep(0.01)
        ended = await client.delete(f"{KEYS}/{first['id']}", params={"including_made": "true"})
        assert ended.status_code == 204
    living = "select id::text from agentes.api_keys where revoked_at is null"
    assert not {row["id"] for row in await connection.fetch(living)} & {first["id"], *made}
    assert len(made) >= 8
