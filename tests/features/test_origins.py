"""Pages of other origins: those that an organization has listed may call for it."""

import asyncio

import httpx2
import pytest

from app.web.origins import listings
from tests.features.test_settings import patched, stranger
from tests.support.stories import an_agent

pytestmark = [pytest.mark.anyio, pytest.mark.once]
PAGE = "https://painel.aurora.example"
SITE = "https://loja.aurora.example"
AGENTS = "/api/v2/agents"
ALLOWED = "access-control-allow-origin"
PREFLIGHT = {
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization",
}


async def preflight(client, origin):
    return await client.options(AGENTS, headers={"Origin": origin, **PREFLIGHT})


async def test_a_listed_origins_pages_may_call_for_that_organization_alone(client, settings):
    assert ALLOWED not in (await preflight(client, PAGE)).headers
    await patched(
        client, allowed_origins=["https://Painel.Aurora.example/", "http://localhost:3000"]
    )
    assert (await client.get("/api/v2/settings")).json()["allowed_origins"] == [
        PAGE, "http://localhost:3000",
    ]  # fmt: skip
    await asyncio.sleep(5)
    asked = await preflight(client, PAGE)
    assert (asked.status_code, asked.headers[ALLOWED]) == (200, PAGE)
    assert "PATCH" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-headers"] == "authorization"
    answer = await client.get(AGENTS, headers={"Origin": PAGE})
    assert answer.headers[ALLOWED] == PAGE
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    assert "Origin" in answer.headers["vary"]
    # Without a credential it is told why, as any page of somebody's is.
    headers = {"Origin": PAGE, "Authorization": "Bearer nonsense"}
    refused = await client.get(AGENTS, headers=headers)
    assert (refused.status_code, refused.headers[ALLOWED]) == (401, PAGE)
    elsewhere = await client.get(AGENTS, headers={"Origin": "https://evil.example"})
    assert (elsewhere.status_code, ALLOWED in elsewhere.headers) == (200, False)
    async with stranger(str(client.base_url), settings) as other:
        theirs = await other.get(AGENTS, headers={"Origin": PAGE})
    assert (theirs.status_code, ALLOWED in theirs.headers) == (200, False)


async def test_a_widgets_pages_may_call_and_take_the_settings_list_without_one(client):
    agent = await an_agent(client, visibility="public")
    await patched(client, allowed_origins=["https://*.aurora.example"])
    body = {"agent_id": agent["id"], "name": "Site"}
    plain = (await client.post("/api/v2/settings/widget-keys", json=body)).json()
    body["allowed_origins"] = ["https://www.outra.example"]
    own = (await client.post("/api/v2/settings/widget-keys", json=body)).json()

    async def opened(key, origin):
        headers = {"Origin": origin}
        async with httpx2.AsyncClient(base_url=client.base_url, headers=headers) as page:
            answer = await page.post("/api/v2/widget/sessions", json={"key": key["key"]})
            return answer.status_code, answer.headers.get(ALLOWED)

    # Any page may read the answer (see `web/cors.py`); who gets in is another matter.
    assert await opened(plain, SITE) == (201, "*")
    assert await opened(own, "https://www.outra.example") == (201, "*")
    assert await opened(own, SITE) == (401, "*")
    assert await opened(plain, "https://evil.example") == (401, "*")


@pytest.mark.parametrize("origin", ["null", "*", "https://", "", "x" * 400, "https://a b.example"])
def test_what_is_no_origin_is_listed_by_nobody(origin):
    assert listings(origin) == []


def test_an_origin_may_be_listed_as_itself_or_by_a_domain_above_it():
    assert listings("https://a.b.example.com:8443") == [
        "https://a.b.example.com:8443",
        "https://*.b.example.com:8443",
        "https://*.example.com:8443",
    ]
    assert listings("http://localhost:3000") == ["http://localhost:3000"]


@pytest.mark.parametrize("origin", ["*", "http://www.aurora.example", "https://a.b/c", "aurora"])
async def test_what_is_no_origin_cannot_be_listed(client, origin):
    answer = await client.patch("/api/v2/settings", json={"allowed_origins": [origin]})
    assert answer.status_code == 422
