"""Every kind of secret is planted, everything is made to fail, and none of them is found."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from ipaddress import ip_network

import httpx2
import pytest
from pydantic import SecretStr

from app.core.signing import new_secret
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.redis_server import running_redis
from tests.support.scripted_server import scripted_server
from tests.support.stories import asking

pytestmark = [pytest.mark.anyio, pytest.mark.once]
V2 = "/api/v2"
CHOSEN = {
    "database password": "pl4nt-database-pass",
    "encryption key": "pl4nt-encryption-key-0123456789abcdef",
    "provider key": "sk-pl4nt-provider-0123456789",
    "organization's provider key": "sk-pl4nt-organization-0123456789",
    "clerk webhook secret": new_secret(),
    "tool secret": "pl4nt-tool-secret-0123456789",
    "search engine key": "pl4nt-search-key-0123456789",
    "webhook header": "pl4nt-webhook-header-0123456789",
    "webhook address": "pl4nt-webhook-address-0123456789",
}


async def echoing(heard):
    """Answers 401 with whatever it was sent, as a careless server does."""
    said = {"error": {"message": f"Incorrect API key: {heard.head}", "type": "invalid_api_key"}}
    await heard.answer(
        json.dumps(said).encode(),
        status=401,
        Content_Type="application/json",
        Connection="close",
    )
    heard.writer.close()


class Everywhere:
    """Calls the service, and keeps all that it says but what is shown once on purpose."""

    def __init__(self, client):
        self._client, self.said = client, []

    async def __call__(self, method, path, *, shows_once=False, **options):
        answer = await self._client.request(method, V2 + path, **options)
        if not shows_once:
            headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            self.said.append(f"{answer.status_code}\n{headers}\n{answer.text}")
        return answer


def as_settings(settings, clerk, redis, root):
    # The password is not asked for over this socket; it is in the address all the same.
    url = settings.database_url.get_secret_value()
    password = CHOSEN["database password"]
    return settings.model_copy(
        update={
            "database_url": SecretStr(url.replace("postgres@", f"postgres:{password}@")),
            "encryption_key": (SecretStr(CHOSEN["encryption key"]),),
            "redis_url": SecretStr(redis.url),
            "clerk_issuer": clerk.issuer,
            "clerk_webhook_secret": (SecretStr(CHOSEN["clerk webhook secret"]),),
            "outbound_allow_private_cidrs": (ip_network("127.0.0.0/8"),),
            "provider_variables": {
                "OPENAI_API_KEY": SecretStr(CHOSEN["provider key"]),
                "OPENAI_BASE_URL": SecretStr(f"{root}/v1"),
            },
            "log_level": "debug",
            "log_format": "json",
        }
    )


async def plant_and_provoke(call, root, planted):
    """Make something with every secret, and let everything go wrong that would repeat it."""
    agent = (
        await call("POST", "/agents", json={"name": "Ana", "model_id": "openai/gpt-4o-mini"})
    ).json()["id"]
    chat = {"json": asking("Oi")}
    assert (await call("POST", f"/agents/{agent}/chat", **chat)).status_code >= 400
    keys = {"provider_keys": {"openai": CHOSEN["organization's provider key"]}}
    assert (await call("PATCH", "/settings", json=keys)).status_code == 200
    await asyncio.sleep(6)  # until every cache has it
    assert (await call("POST", f"/agents/{agent}/chat", **chat)).status_code >= 400
    await call("POST", f"/agents/{agent}/chat/stream", **chat)
    await call("POST", "/models/openai/gpt-4o-mini/test")

    http = {
        "url": f"{root}/x",
        "headers": {"Authorization": "Bearer {secrets.token}"},
        "secrets": {"token": CHOSEN["tool secret"]},
    }
    tools = (
        {"type": "http", "name": "buscar", "config": http},
        {
            "type": "search",
            "name": "pesquisar",
            "config": {"engine": "tavily", "api_key": CHOSEN["search engine key"]},
        },
    )
    for body in tools:
        made = await call("POST", f"/agents/{agent}/tools", json=body)
        assert made.status_code == 201, made.text
        arguments = {"arguments": {"query": "x"} if body["type"] == "search" else {}}
        path = f"/agents/{agent}/tools/{made.json()['id']}"
        tried = await call("POST", f"{path}/test", json=arguments)
        assert tried.json()["status"] == "failed", tried.text
        await call("PATCH", path, json={"config": body["config"] | {"nonsense": 1}})

    url = f"{root}/w?measurement_id=G-1&api_secret={CHOSEN['webhook address']}"
    hook = {"name": "W", "url": url, "events": ["*"]}
    hook["headers"] = {"X-Token": CHOSEN["webhook header"]}
    made = (await call("POST", "/webhooks", json=hook, shows_once=True)).json()
    planted["webhook secret"] = made["secret"]
    await call("POST", f"/webhooks/{made['id']}/test")
    await call("PATCH", f"/webhooks/{made['id']}", json={"url": url.replace("/w?", "/v?")})
    await call("PATCH", f"/webhooks/{made['id']}", json={"url": f"{url}&x=%"})
    await call("POST", "/webhooks", json=hook | {"url": url.replace("http://", "ftp://")})
    rotated = await call("POST", f"/webhooks/{made['id']}/rotate-secret", shows_once=True)
    planted["webhook secret, rotated"] = rotated.json()["secret"]
    tried = (await call("POST", f"/webhooks/{made['id']}/test")).json()
    async with asyncio.timeout(20):
        while not (await call("GET", f"/webhooks/deliveries/{tried['id']}")).json()["attempts"]:
            await asyncio.sleep(0.2)
    return agent


async def take_credentials(call, agent, planted):
    """Keys and sessions of every kind: shown once, used, misused, misplaced."""
    body = {"name": "CRM", "scopes": ["agents:read"]}
    again = {"Idempotency-Key": "pedido-1"}
    for _ in range(2):  # the second is replayed
        made = await call("POST", "/settings/api-keys", json=body, headers=again, shows_once=True)
    planted["API key"] = made.json()["key"]
    ticket = await call("POST", "/events/tickets", shows_once=True)
    planted["ticket"] = ticket.json()["ticket"]
    await call("PATCH", f"/agents/{agent}", json={"visibility": "public"})
    key = {"name": "Site", "agent_id": agent, "allowed_origins": ["https://a.example"]}
    made = await call("POST", "/settings/widget-keys", json=key, shows_once=True)
    public = made.json()["key"]
    session = await call(
        "POST",
        "/widget/sessions",
        json={"key": public, "visitor_id": "v1"},
        headers={"Origin": "https://a.example"},
        shows_once=True,
    )
    assert session.status_code == 201, session.text
    planted["widget session"] = session.json()["token"]
    for name in ("API key", "widget session", "token of Clerk"):
        secret = planted[name]
        bearer = {"Authorization": f"Bearer {secret}"}
        await call("GET", "/agents", headers=bearer)
        await call("DELETE", "/settings/api-keys/1", headers=bearer)
        await call("GET", "/agents", headers={"Authorization": f"Bearer {secret}x"})
        await call("GET", f"/agents/{secret[:200]}")
        await call("GET", "/agents", params={"token": secret, "cursor": secret})
        await call("POST", "/agents", json={"name": "A", "temperature": secret})
        await call("POST", "/agents", content=f'{{"name": {secret}'.encode())
    await call("POST", "/webhooks/clerk", content=b"{}", headers={"svix-signature": "v1,x"})


READ = (
    *("/agents", "/settings", "/settings/api-keys", "/settings/widget-keys", "/settings/audit-log"),
    *("/settings/audit-log/export", "/webhooks", "/models", "/conversations", "/events"),
    *("/knowledge/bases", "/leads", "/health", "/privacy/erasures"),
)


async def dumped(connection) -> str:
    """Every row of every table as text, bytes in hexadecimal and in clear."""
    tables = await connection.fetch(
        """select format('%I.%I', schemaname, tablename) as name from pg_tables
            where schemaname not in ('pg_catalog', 'information_schema')"""
    )
    assert len(tables) > 30
    rows = []
    for table in tables:
        found = await connection.fetch(f"select t::text as row from {table['name']} t")
        rows += [f"{table['name']} {row['row']}" for row in found]
    return "\n".join(rows)


async def of_redis(redis) -> str:
    kept = []
    for key in await redis.do("KEYS", "*"):
        kept.append(repr(key))
        match await redis.do("TYPE", key):
            case b"string":
                kept.append(repr(await redis.do("GET", key)))
            case b"hash":
                kept.append(repr(await redis.do("HGETALL", key)))
            case b"stream":
                kept.append(repr(await redis.do("XRANGE", key, "-", "+")))
            case b"zset":
                kept.append(repr(await redis.do("ZRANGE", key, 0, -1)))
            case other:
                raise AssertionError(f"look into {other} too")
    return "\n".join(kept)


def forms(secret: str) -> set[str]:
    """How a secret might be written: in clear, without its kind, encoded."""
    bare = secret.removeprefix("whsec_").rpartition(".")[2]
    if secret.startswith("ac_live_"):
        bare = secret.split("_")[3]
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, bare, bare[:24], secret.encode().hex(), encoded[: len(encoded) // 4 * 4]}


async def test_no_planted_secret_is_found_anywhere(postgres_settings, connection, capfd):
    async with AsyncExitStack() as stack:
        clerk = await stack.enter_async_context(running_clerk())
        redis = await stack.enter_async_context(running_redis())
        echo = await stack.enter_async_context(scripted_server(echoing))
        root = f"http://127.0.0.1:{echo.port}"
        planted = CHOSEN | {"token of Clerk": clerk.token(exp=2**31)}
        settings = as_settings(postgres_settings, clerk, redis, root)
        url = await stack.enter_async_context(serving(settings))
        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                verify=PLAIN_HTTP,
                base_url=url,
                headers={"Authorization": f"Bearer {planted['token of Clerk']}"},
                timeout=30,
            )
        )
        call = Everywhere(client)
        agent = await plant_and_provoke(call, root, planted)
        await take_credentials(call, agent, planted)
        for path in READ:
            answer = await call("GET", path)
            assert answer.status_code == 200, (path, answer.text)
        heard = "\n".join(f"{one.head}" for one in echo.heard)
        places = {
            "responses": "\n".join(call.said),
            "database": await dumped(connection),
            "Redis": await of_redis(redis),
        }
    places["log"] = "".join(capfd.readouterr())
    # What was sent out was sent with the secrets: else nothing here has been tried.
    sent = ("provider key", "organization's provider key", "tool secret")
    for name in (*sent, "webhook header", "webhook address"):
        assert planted[name] in heard, name
    assert '"route":"/api/v2/agents/{agent_id}"' in places["log"]
    found = [
        (name, place, text[max(0, text.index(form) - 200) :][:300])
        for name, secret in planted.items()
        for place, text in places.items()
        for form in forms(secret)
        if form in text
    ]
    assert found == []
