"""Settings over HTTP: every field works, keys are write-only, versions are kept apart."""

import json

import httpx2
import pytest
from pydantic import SecretStr

from app.container import open_ports
from app.core.ids import new_id
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from tests.conftest import serving
from tests.support.completions_server import DONE, USAGE, completions_server, delta, finish
from tests.support.stories import an_agent, asking

pytestmark = pytest.mark.anyio
SETTINGS = "/api/v2/settings"
KEY = "sk-proj-of-the-organization-4321"


async def patched(client, **fields):
    answer = await client.patch(SETTINGS, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def made(client, **fields):
    answer = await client.post("/api/v2/agents", json={"name": "Ana", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def answers(exchange):
    await exchange.send_chunked(delta("Olá."), finish(), USAGE, DONE)


async def chat(client, agent, **fields):
    return await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi") | fields)


async def test_what_was_not_set_is_the_services_own(client):
    read = (await client.get(SETTINGS)).json()
    assert (read["language"], read["timezone"]) == ("pt-BR", "UTC")
    assert (read["default_model_id"], read["default_temperature"]) == ("local", 0.3)
    assert (read["max_tokens"], read["conversation_history_limit"]) == (1024, 50)
    assert read["provider_keys"]["openai"] == {"set": False, "last4": None}


async def test_agents_take_from_the_settings_what_they_are_not_given(client):
    before = await made(client)
    chosen = {"default_temperature": 1.5, "max_tokens": 77, "language": "en"}
    await patched(client, default_model_id="gpt-4o-mini", **chosen)
    plain = await made(client)
    assert (plain["model_id"], plain["temperature"]) == ("gpt-4o-mini", 1.5)
    assert (plain["max_tokens"], plain["language"]) == (77, "en")
    own = await made(client, model_id="local", temperature=0, max_tokens=5, language="es")
    assert (own["model_id"], own["temperature"]) == ("local", 0)
    assert (own["max_tokens"], own["language"]) == (5, "es")
    kept = (await client.get(f"/api/v2/agents/{before['id']}")).json()
    assert (kept["temperature"], kept["version"]) == (0.3, 1)
    replaced = (await client.put(f"/api/v2/agents/{before['id']}", json={"name": "Bia"})).json()
    assert (replaced["max_tokens"], replaced["language"]) == (77, "en")
    back = await patched(client, default_model_id=None, default_temperature=None)
    assert (back["default_model_id"], back["default_temperature"]) == ("local", 0.3)


async def test_a_model_is_given_as_much_history_as_the_settings_say(settings):
    async with completions_server(answers) as server:
        chosen = settings.model_copy(update={"provider_variables": _variables(server)})
        async with serving(chosen) as url, _client(url, settings) as client:
            agent = await an_agent(client, model_id="gpt-4o-mini")
            first = (await chat(client, agent)).json()["conversation_id"]
            await chat(client, agent, conversation_id=first)
            await patched(client, conversation_history_limit=1)
            await chat(client, agent, conversation_id=first)
            await patched(client, conversation_history_limit=0)
            await chat(client, agent, conversation_id=first)
    turns = [[m["role"] for m in one["messages"]] for one in server.requests]
    assert turns[1] == ["system", "user", "assistant", "user"]
    assert turns[2] == ["system", "assistant", "user"]
    assert turns[3] == ["system", "user"]


@pytest.mark.parametrize(
    "fields",
    [
        {"timezone": "America/Nowhere"},
        {"timezone": "../etc/passwd"},
        {"language": "português"},
        {"default_temperature": 2.5},
        {"max_tokens": 0},
        {"conversation_history_limit": 201},
        {"default_model_id": "nobody-serves-this"},
        {"provider_keys": {"acme": "sk-0123456789"}},
        {"provider_keys": {"openai": "with space in it"}},
        {"provider_keys": {"openai": "short"}},
        {"nonsense": 1},
    ],
)
async def test_what_cannot_hold_is_refused_and_changes_nothing(client, fields):
    before = (await client.get(SETTINGS)).json()
    answer = await client.patch(SETTINGS, json=fields)
    assert answer.status_code == 422, answer.text
    assert "with space" not in answer.text
    assert (await client.get(SETTINGS)).json() == before


async def test_settings_that_changed_meanwhile_are_left_alone(client):
    read = await client.get(SETTINGS)
    await patched(client, timezone="America/Sao_Paulo")
    headers = {"If-Match": read.headers["etag"]}
    late = await client.patch(SETTINGS, json={"language": "es"}, headers=headers)
    assert (late.status_code, late.json()["code"]) == (412, "settings_version_mismatch")
    assert (await client.get(SETTINGS)).json()["language"] == "pt-BR"


@pytest.mark.once
async def test_a_key_is_never_read_out_nor_kept_in_clear(client, connection):
    shown = await patched(client, provider_keys={"openai": KEY})
    assert shown["provider_keys"]["openai"] == {"set": True, "last4": "4321"}
    shown = await patched(client, provider_keys={"mistral": "sk-mistral-0123456789"})
    assert shown["provider_keys"]["openai"]["set"] is True
    kept = await connection.fetchval("select document::text from agentes.settings")
    assert KEY not in kept
    log = (await client.get("/api/v2/settings/audit-log")).json()
    text = json.dumps(log)
    sealed = json.loads(kept)["provider_keys"]["openai"]["sealed"]
    assert KEY not in text
    assert sealed not in text
    assert log["data"][0]["after"]["document"]["provider_keys"] == {
        "mistral": "***",
        "openai": "***",
    }
    gone = await patched(client, provider_keys={"openai": None})
    assert gone["provider_keys"]["openai"] == {"set": False, "last4": None}
    assert gone["provider_keys"]["mistral"]["set"] is True


@pytest.mark.once
async def test_an_organizations_own_key_serves_it_alone(settings):
    async with completions_server(answers) as server:
        base = {"OPENAI_BASE_URL": SecretStr(server.url)}
        chosen = settings.model_copy(update={"provider_variables": base})
        async with serving(chosen) as url, _client(url, settings) as client:
            agent = await an_agent(client, model_id="gpt-4o-mini")
            assert (await chat(client, agent)).json()["code"] == "provider_not_configured"
            await patched(client, provider_keys={"openai": KEY})
            model = "/api/v2/models/gpt-6-luna"
            assert (await client.get(model)).json()["available"] is True
            assert (await client.post(f"{model}/test")).json()["status"] == "succeeded"
            assert (await chat(client, agent)).status_code == 200
            async with stranger(url, chosen) as other:
                theirs = await an_agent(other, model_id="gpt-4o-mini")
                assert (await other.get(model)).json()["available"] is False
                assert (await chat(other, theirs)).json()["code"] == "provider_not_configured"
            await patched(client, provider_keys={"openai": KEY.replace("4321", "8765")})
            assert (await chat(client, agent)).status_code == 200
            await patched(client, provider_keys={"openai": None})
            assert (await chat(client, agent)).json()["code"] == "provider_not_configured"
    shown = [_bearer(head) for head in server.headers]
    assert shown == [KEY, KEY, KEY.replace("4321", "8765")]


@pytest.mark.once
async def test_an_own_key_is_used_instead_of_the_services(settings):
    async with completions_server(answers) as server:
        chosen = settings.model_copy(update={"provider_variables": _variables(server)})
        async with serving(chosen) as url, _client(url, settings) as client:
            agent = await an_agent(client, model_id="gpt-4o-mini")
            await chat(client, agent)
            await patched(client, provider_keys={"openai": KEY})
            await chat(client, agent)
            await patched(client, provider_keys={"openai": None})
            await chat(client, agent)
    assert [_bearer(head) for head in server.headers] == ["sk-service", KEY, "sk-service"]


def _variables(server):
    return {
        "OPENAI_API_KEY": SecretStr("sk-service"),
        "OPENAI_BASE_URL": SecretStr(server.url),
    }


def _bearer(head: str) -> str:
    lines = head.splitlines()
    return next(line for line in lines if line.lower().startswith("authorization:")).split()[-1]


def _client(url, settings, key=None):
    key = key or (settings.data_dir / "api_key").read_text().strip()
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=20)


def stranger(url, settings):
    """A client of another organization."""
    return _Stranger(url, settings)


class _Stranger:
    def __init__(self, url, settings):
        self._url, self._settings = url, settings

    async def __aenter__(self):
        key = new_key()
        async with open_ports(self._settings) as ports:
            identity = IdentityRepository(ports.database)
            organization = await identity.ensure_organization(f"o-{new_id()}", "Outra")
            await identity.register_key(organization, key, name="k", scopes=["*"])
        self._client = _client(self._url, self._settings, key.text)
        return await self._client.__aenter__()

    async def __aexit__(self, *error):
        await self._client.__aexit__(*error)
