"""Every route for every kind of caller, made from the OpenAPI document; a new route needs a row."""

import re
import time
from contextlib import AsyncExitStack

import httpx2
import pytest
from pydantic import SecretStr

from app.application import create_app
from app.core.ids import new_id
from app.core.settings import Settings
from app.features.identity.roles import ROLES, SCOPES
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.tenants import Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.once]

PUBLIC = "nobody in particular"
VISITORS = "; a widget's visitor too"
# What a caller needs to be let in.
ROWS = {
    "GET /": PUBLIC,
    "GET /api/v2/agents": "agents:read",
    "POST /api/v2/agents": "agents:write",
    "DELETE /api/v2/agents/{agent_id}": "agents:write",
    "GET /api/v2/agents/{agent_id}": "agents:read",
    "PATCH /api/v2/agents/{agent_id}": "agents:write",
    "PUT /api/v2/agents/{agent_id}": "agents:write",
    "POST /api/v2/agents/{agent_id}/chat": "chat" + VISITORS,
    "GET /api/v2/agents/{agent_id}/chat/runs/{run_id}": "chat" + VISITORS,
    "POST /api/v2/agents/{agent_id}/chat/runs/{run_id}/approvals/{call_id}": "chat",
    "POST /api/v2/agents/{agent_id}/chat/runs/{run_id}/cancel": "chat" + VISITORS,
    "GET /api/v2/agents/{agent_id}/chat/runs/{run_id}/stream": "chat" + VISITORS,
    "POST /api/v2/agents/{agent_id}/chat/stream": "chat" + VISITORS,
    "POST /api/v2/agents/{agent_id}/duplicate": "agents:write",
    "GET /api/v2/agents/{agent_id}/tools": "agents:read",
    "POST /api/v2/agents/{agent_id}/tools": "agents:write",
    "DELETE /api/v2/agents/{agent_id}/tools/{tool_id}": "agents:write",
    "GET /api/v2/agents/{agent_id}/tools/{tool_id}": "agents:read",
    "PATCH /api/v2/agents/{agent_id}/tools/{tool_id}": "agents:write",
    "PUT /api/v2/agents/{agent_id}/tools/{tool_id}": "agents:write",
    "POST /api/v2/agents/{agent_id}/tools/{tool_id}/test": "agents:write",
    "GET /api/v2/agents/{agent_id}/versions": "agents:read",
    "POST /api/v2/agents/{agent_id}/versions/{version}/restore": "agents:write",
    "GET /api/v2/analytics/conversions": "analytics:read",
    "POST /api/v2/analytics/conversions": "analytics:write",
    "GET /api/v2/analytics/conversions/{conversion_id}": "analytics:read",
    "POST /api/v2/analytics/conversions/{conversion_id}/refunds": "analytics:write",
    "GET /api/v2/analytics/dashboard": "analytics:read",
    "GET /api/v2/analytics/export": "analytics:read",
    "GET /api/v2/analytics/items": "analytics:read",
    "GET /api/v2/analytics/passages": "analytics:read",
    "GET /api/v2/conversations": "conversations:read" + VISITORS,
    "GET /api/v2/conversations/export": "conversations:read",
    "GET /api/v2/conversations/messages/export": "conversations:read",
    "DELETE /api/v2/conversations/{conversation_id}": "conversations:write",
    "GET /api/v2/conversations/{conversation_id}": "conversations:read" + VISITORS,
    "PATCH /api/v2/conversations/{conversation_id}": "conversations:write",
    "GET /api/v2/conversations/{conversation_id}/messages": "conversations:read" + VISITORS,
    "GET /api/v2/conversations/{conversation_id}/stream": "conversations:read" + VISITORS,
    "POST /api/v2/conversations/{conversation_id}/handoff": "chat" + VISITORS,
    "POST /api/v2/conversations/{conversation_id}/handoff/return": "conversations:write",
    "POST /api/v2/conversations/{conversation_id}/handoff/take": "conversations:write",
    "POST /api/v2/conversations/{conversation_id}/messages": "conversations:write",
    "POST /api/v2/conversations/{conversation_id}/messages/{message_id}/feedback": "chat"
    + VISITORS,
    "GET /api/v2/events": "events:read",
    "GET /api/v2/events/dashboard": "events:read",
    "GET /api/v2/events/export": "events:read",
    "POST /api/v2/events/tickets": "events:read",
    "GET /api/v2/forms": "chat" + VISITORS,
    "GET /api/v2/forms/submissions": "leads:read",
    "GET /api/v2/forms/submissions/export": "leads:read",
    "GET /api/v2/forms/submissions/{submission_id}": "leads:read",
    "GET /api/v2/forms/{form_id}": "chat" + VISITORS,
    "POST /api/v2/forms/{form_id}/submissions": "chat" + VISITORS,
    "GET /api/v2/health": PUBLIC,
    "GET /api/v2/knowledge/bases": "knowledge:read",
    "POST /api/v2/knowledge/bases": "knowledge:write",
    "DELETE /api/v2/knowledge/bases/{base_id}": "knowledge:write",
    "GET /api/v2/knowledge/bases/{base_id}": "knowledge:read",
    "PATCH /api/v2/knowledge/bases/{base_id}": "knowledge:write",
    "POST /api/v2/knowledge/bases/{base_id}/reindex": "knowledge:write",
    "GET /api/v2/knowledge/documents": "knowledge:read",
    "POST /api/v2/knowledge/documents": "knowledge:write",
    "DELETE /api/v2/knowledge/documents/{document_id}": "knowledge:write",
    "GET /api/v2/knowledge/documents/{document_id}": "knowledge:read",
    "GET /api/v2/knowledge/documents/{document_id}/chunks": "knowledge:read",
    "GET /api/v2/knowledge/documents/{document_id}/content": "knowledge:read",
    "POST /api/v2/knowledge/documents/{document_id}/reindex": "knowledge:write",
    "GET /api/v2/knowledge/gaps": "knowledge:read",
    "GET /api/v2/knowledge/gaps/{gap_id}": "knowledge:read",
    "PATCH /api/v2/knowledge/gaps/{gap_id}": "knowledge:write",
    "POST /api/v2/knowledge/gaps/{gap_id}/entry": "knowledge:write",
    "POST /api/v2/knowledge/preview": "knowledge:read",
    "POST /api/v2/knowledge/search": "knowledge:read",
    "POST /api/v2/knowledge/upload": "knowledge:write",
    "GET /api/v2/leads": "leads:read",
    "POST /api/v2/leads": "leads:write",
    "GET /api/v2/leads/export": "leads:read",
    "DELETE /api/v2/leads/{lead_id}": "leads:write",
    "GET /api/v2/leads/{lead_id}": "leads:read",
    "PATCH /api/v2/leads/{lead_id}": "leads:write",
    "GET /api/v2/models": "models:read",
    "POST /api/v2/models": "models:write",
    "DELETE /api/v2/models/{model_id}": "models:write",
    "GET /api/v2/models/{model_id}": "models:read",
    "PATCH /api/v2/models/{model_id}": "models:write",
    "GET /api/v2/models/{model_id}/prices": "models:read",
    "POST /api/v2/models/{model_id}/prices": "models:write",
    "DELETE /api/v2/models/{model_id}/prices/{price_id}": "models:write",
    "POST /api/v2/models/{model_id}/test": "models:write",
    "GET /api/v2/privacy/erasures": "privacy:write",
    "POST /api/v2/privacy/erasures": "privacy:write",
    "GET /api/v2/privacy/erasures/{erasure_id}": "privacy:write",
    "POST /api/v2/privacy/exports": "privacy:write",
    "GET /api/v2/settings": "settings:read",
    "GET /api/v2/settings/usage": "settings:read",
    "PATCH /api/v2/settings": "settings:write",
    "GET /api/v2/settings/api-keys": "keys:read",
    "POST /api/v2/settings/api-keys": "keys:write",
    "GET /api/v2/settings/api-keys/{key_id}": "keys:read",
    "DELETE /api/v2/settings/api-keys/{key_id}": "keys:write",
    "POST /api/v2/settings/api-keys/{key_id}/rotate": "keys:write",
    "GET /api/v2/settings/audit-log": "settings:read",
    "GET /api/v2/settings/audit-log/export": "settings:read",
    "GET /api/v2/settings/usage/export": "settings:read",
    "GET /api/v2/settings/widget-keys": "keys:read",
    "POST /api/v2/settings/widget-keys": "keys:write",
    "GET /api/v2/settings/widget-keys/{key_id}": "keys:read",
    "DELETE /api/v2/settings/widget-keys/{key_id}": "keys:write",
    "GET /api/v2/tools/kinds": "agents:read",
    "GET /api/v2/webhooks": "webhooks:read",
    "POST /api/v2/webhooks": "webhooks:write",
    "POST /api/v2/webhooks/clerk": PUBLIC,
    "GET /api/v2/webhooks/deliveries/{delivery_id}": "webhooks:read",
    "POST /api/v2/webhooks/deliveries/{delivery_id}/retry": "webhooks:write",
    "GET /api/v2/webhooks/events": "webhooks:read",
    "GET /api/v2/webhooks/templates": "webhooks:read",
    "GET /api/v2/webhooks/inboxes": "webhooks:read",
    "POST /api/v2/webhooks/inboxes": "webhooks:write",
    "GET /api/v2/webhooks/inboxes/{inbox_id}/messages": "webhooks:read",
    "POST /api/v2/webhooks/inboxes/{inbox_id}/messages/{key}": PUBLIC,
    "GET /api/v2/webhooks/recoveries/{recovery_id}": "webhooks:read",
    "DELETE /api/v2/webhooks/{webhook_id}": "webhooks:write",
    "GET /api/v2/webhooks/{webhook_id}": "webhooks:read",
    "PATCH /api/v2/webhooks/{webhook_id}": "webhooks:write",
    "PUT /api/v2/webhooks/{webhook_id}": "webhooks:write",
    "GET /api/v2/webhooks/{webhook_id}/deliveries": "webhooks:read",
    "POST /api/v2/webhooks/{webhook_id}/recover": "webhooks:write",
    "POST /api/v2/webhooks/{webhook_id}/rotate-secret": "webhooks:write",
    "POST /api/v2/webhooks/{webhook_id}/test": "webhooks:write",
    "POST /api/v2/widget/sessions": PUBLIC,
    "GET /health/live": PUBLIC,
    "GET /health/ready": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /problems": PUBLIC,
    "GET /problems/{slug}": PUBLIC,
}
DOCUMENT = create_app(Settings(database_url=SecretStr("postgresql://x/y"))).openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
GUARDED = [name for name in OPERATIONS if ROWS.get(name) != PUBLIC]
# Of another organization's or visitor's things nothing more is said than of none.
NOTHING_THERE = {404}
NOT_DONE = {400, 404, 409, 410, 412, 415, 422}


def test_every_route_has_its_row_and_every_row_a_scope_that_exists():
    missing = sorted(OPERATIONS.keys() - ROWS.keys())
    assert not missing, "say in ROWS who may call them"
    needed = {row.removesuffix(VISITORS) for row in ROWS.values()} - {PUBLIC}
    assert needed <= SCOPES.keys()
    for scopes in ROLES.values():
        assert scopes <= SCOPES.keys() | {"*"}


def body_of(name: str, ids: dict[str, str]) -> dict[str, object]:
    """A body as the document's example has it, about somebody's things."""
    content = OPERATIONS[name].get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return {}
    schema = content["application/json"]["schema"]
    found = DOCUMENT["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
    body = dict((found.get("examples") or [{}])[0])
    for field, thing in (
        ("knowledge_base_id", "base_id"),
        ("agent_id", "agent_id"),
        ("conversation_id", "conversation_id"),
    ):
        if field in body:
            body[field] = ids[thing]
    return body


class Callers:
    """Requests to one service as different callers."""

    def __init__(self, url: str, ids: dict[str, str]) -> None:
        self.url, self.ids = url, ids
        self.client = httpx2.AsyncClient(base_url=url, timeout=20)

    async def ask(self, name: str, credential: str | None, ids: dict[str, str] | None = None):
        method, path = name.split(" ")
        known = self.ids if ids is None else ids
        path = re.sub(r"\{(\w+)\}", lambda part: known.get(part[1], new_id()), path)
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        options = {"json": body_of(name, known)} if method in ("POST", "PUT", "PATCH") else {}
        async with self.client.stream(method, path, headers=headers, **options) as answer:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                return answer.status_code, ""
            return answer.status_code, (await answer.aread()).decode(errors="replace")


@pytest.fixture
async def world(settings):
    """Two furnished organizations, a visitor of the first, and the credentials of everybody."""
    async with AsyncExitStack() as stack:
        clerk = await stack.enter_async_context(running_clerk())
        limits = {"clerk_issuer": clerk.issuer}
        url = await stack.enter_async_context(serving(settings.model_copy(update=limits)))
        tenants = []
        for number, word in enumerate(("canario", "sabia"), 1):
            claims = {"sub": f"user_{number}", "o": {"id": f"org_{number}", "rol": "admin"}}
            token = clerk.token(**claims, exp=int(time.time()) + 3600)
            client = await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20
                )
            )
            wide = {"rate_limits": {"requests_per_minute": 100_000, "chats_per_minute": 10_000}}
            wide["rate_limits"] |= {"organization_requests_per_minute": 100_000}
            wide["rate_limits"] |= {"searches_per_minute": 10_000, "uploads_per_minute": 10_000}
            assert (await client.patch("/api/v2/settings", json=wide)).status_code == 200
            tenants.append(Tenant(client, word))
            await tenants[-1].furnish()
        callers = Callers(url, tenants[0].ids)
        await stack.enter_async_context(callers.client)
        yield clerk, tenants, callers


def token_of(clerk, number: int, role: str = "admin", **claims):
    organization = {"id": f"org_{number}", "rol": role}
    claims = {"o": organization, "exp": int(time.time()) + 3600} | claims
    return clerk.token(sub=f"user_{number}", **claims)


async def a_key(tenant: Tenant, *scopes: str) -> dict[str, str]:
    return await tenant.post("/api/v2/settings/api-keys", json={"name": "K", "scopes": [*scopes]})


async def a_visitor(tenant: Tenant, url: str) -> str:
    origin = "https://www.loja.example"
    body = {"agent_id": tenant.ids["agent_id"], "name": "Site", "allowed_origins": [origin]}
    key = await tenant.post("/api/v2/settings/widget-keys", json=body)
    async with httpx2.AsyncClient(base_url=url) as page:
        opened = await page.post(
            "/api/v2/widget/sessions", json={"key": key["key"]}, headers={"Origin": origin}
        )
    return opened.json()["token"], key["key"]


async def test_nobody_gets_in_without_a_valid_credential(world):
    clerk, (ours, _), callers = world
    revoked = await a_key(ours, "*")
    await ours.client.delete(f"/api/v2/settings/api-keys/{revoked['id']}")
    _, publishable = await a_visitor(ours, callers.url)
    for name in GUARDED:
        assert (await callers.ask(name, None))[0] == 401, name
    # One route stands for all here, as guesses are counted: they share the one check.
    expired = token_of(clerk, 1, exp=int(time.time()) - 60)
    for credential in (expired, revoked["key"], "x", "a.b.c"):
        assert (await callers.ask("GET /api/v2/agents", credential))[0] == 401, credential
    for name in GUARDED:  # it is what it says, and may not
        assert (await callers.ask(name, publishable))[0] == 403, name


async def test_a_session_without_an_organization_gets_nowhere(world):
    clerk, _, callers = world
    for name in GUARDED:
        status, body = await callers.ask(name, clerk.token(o=None))
        assert (status, "organization_required" in body) == (403, True), name


async def test_without_its_scope_no_route_is_reached_and_members_reach_what_their_role_has(world):
    clerk, (ours, _), callers = world
    member, none = token_of(clerk, 1, role="member"), token_of(clerk, 1, role="nobody")
    narrow = {one: (await a_key(ours, one))["key"] for one in ("analytics:write", "models:read")}
    for name in GUARDED:
        scope = ROWS[name].removesuffix(VISITORS)
        for credential in (none, next(narrow[one] for one in narrow if one != scope)):
            status, body = await callers.ask(name, credential)
            assert (status, "scope_missing" in body) == (403, True), name
        if scope not in ROLES["member"]:
            assert (await callers.ask(name, member))[0] == 403, name
        elif name.startswith("GET"):
            assert (await callers.ask(name, member))[0] != 403, name


async def test_a_visitor_reaches_what_is_its_own_and_nothing_else(world):
    _, (ours, _), callers = world
    visitor, _ = await a_visitor(ours, callers.url)
    for name in GUARDED:
        status, _ = await callers.ask(name, visitor)
        if not ROWS[name].endswith(VISITORS):
            assert status == 403, name
        elif "{" in name.replace("{agent_id}", ""):
            assert status in NOT_DONE, name  # another visitor's conversation, run or form
        else:
            assert status != 403, name


async def test_another_organizations_things_are_as_if_they_were_not(world):
    clerk, (_, theirs), callers = world
    admin, key = token_of(clerk, 2), (await a_key(theirs, "*"))["key"]
    for name in GUARDED:
        if "{" not in name:
            continue
        for credential in (admin, key):
            status, body = await callers.ask(name, credential)
            reading = name.startswith(("GET", "DELETE"))
            assert status in (NOTHING_THERE if reading else NOT_DONE), f"{name}: {status} {body}"
            assert "canario" not in body, name


async def test_ids_in_bodies_do_not_reach_over_to_another_organization(world):
    clerk, (ours, theirs), callers = world
    foreign = theirs.ids | {name: ours.ids[name] for name in ("base_id", "agent_id")}
    admin = token_of(clerk, 2)
    for name in GUARDED:
        if name.startswith("POST") and "{" not in name:
            status, body = await callers.ask(name, admin, foreign)
            assert "canario" not in body, name
            given = [value for value in body_of(name, foreign).values() if isinstance(value, str)]
            if {*given} & {ours.ids["base_id"], ours.ids["agent_id"]}:
                assert status in NOT_DONE, f"{name}: {status} {body}"


async def test_no_list_search_or_export_tells_of_another_organization(world, capfd):
    clerk, (ours, theirs), callers = world
    for tenant, other, number in ((ours, "sabia", 1), (theirs, "canario", 2)):
        found = 0
        for name in GUARDED:
            if name.startswith("GET") and name != "GET /api/v2/events/dashboard":
                _, body = await callers.ask(name, token_of(clerk, number), tenant.ids)
                assert other not in body.casefold(), name
                found += tenant.word in body.casefold()
        assert found > 10  # the words are where one would look for them
        search = {"query": f"prazo {other}", "knowledge_base_id": tenant.ids["base_id"]}
        hits = await tenant.client.post("/api/v2/knowledge/search", json=search)
        assert other not in hits.text.replace(f"prazo {other}", "").casefold()
        feed = {"types": "message_completed", "last_event_id": "0"}
        async with tenant.client.stream("GET", "/api/v2/events/dashboard", params=feed) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    assert ours.ids["conversation_id" if number == 1 else "agent_id"] in line or (
                        theirs.ids["conversation_id"] in line
                    )
                    break
    logged = capfd.readouterr()
    assert "Segredo" not in logged.out + logged.err


async def test_a_cursor_of_one_organization_is_none_of_another(world):
    _, (ours, theirs), _ = world
    for tenant in (ours, theirs):
        await tenant.post("/api/v2/agents", json={"name": "Bia"})
    page = (await ours.client.get("/api/v2/agents", params={"limit": 1})).json()
    answer = await theirs.client.get(
        "/api/v2/agents", params={"limit": 1, "cursor": page["next_cursor"]}
    )
    assert answer.status_code == 400
