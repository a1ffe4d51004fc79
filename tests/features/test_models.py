"""Models over HTTP: the catalogue, an organization's own, prices, and what runs cost by them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.container import open_ports
from app.core.ids import new_id
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
MODELS = "/api/v2/models"
OWN = {"id": "loja/vendas", "provider": "local", "upstream_model": "local"}
PRICE = {"input": 2.5, "output": 10, "cached": None}


async def added(client, **fields):
    answer = await client.post(MODELS, json=OWN | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refused(client, method, path, **options):
    answer = await client.request(method, f"{MODELS}{path}", **options)
    return answer.status_code, answer.json()["code"]


async def priced(client, model_id, **body):
    answer = await client.post(f"{MODELS}/{model_id}/prices", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def answered(client, agent, **body):
    """The metadata of one answer."""
    body = {"messages": [{"role": "user", "content": "Oi"}]} | body
    answer = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=body)
    assert answer.status_code == 200, answer.text
    path = f"/api/v2/conversations/{answer.json()['conversation_id']}/messages"
    kept = (await client.get(path)).json()["data"][-1]["metadata"]
    assert answer.json()["metadata"]["cost_usd"] == kept["cost_usd"]
    return kept


async def listed(client, **params):
    models, cursor = [], None
    while True:
        asked = {"limit": 100, **params} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(MODELS, params=asked)).json()
        models += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return models


async def test_all_models_are_listed_once_over_pages_and_filters(client):
    await added(client)
    models = await listed(client, limit=7)
    ids = [model["id"] for model in models]
    assert ids == sorted(set(ids))
    assert {"local", "loja/vendas", "gpt-6-luna", "claude-haiku-5-5"} <= {*ids}
    google = await listed(client, provider="google")
    assert google
    assert {model["provider"] for model in google} == {"google"}
    assert [model["id"] for model in await listed(client, available=True)] == [
        "local",
        "loja/vendas",
    ]
    assert len(await listed(client, available=False)) == len(models) - 2
    assert await refused(client, "GET", "?provider=acme") == (422, "invalid_request")


async def test_a_built_in_model_shows_what_it_costs_and_cannot_be_changed(client):
    luna = (await client.get(f"{MODELS}/gpt-6-luna")).json()
    assert (luna["provider"], luna["context_window"]) == ("openai", 1_050_000)
    assert (luna["is_built_in"], luna["available"]) == (True, False)
    assert luna["price"]["long"]["above"] == 272_000
    assert luna["price_source"] == "catalogue"
    for method in ("PATCH", "DELETE"):
        options = {"json": {"is_active": False}} if method == "PATCH" else {}
        assert await refused(client, method, "/gpt-6-luna", **options) == (409, "model_built_in")
        assert await refused(client, method, "/none", **options) == (404, "model_not_found")
    taken = OWN | {"id": "gpt-6-luna"}
    assert await refused(client, "POST", "", json=taken) == (409, "model_already_exists")


async def test_an_own_model_lives_under_an_id_with_slashes(client):
    answer = await client.post(MODELS, json=OWN | {"price": PRICE, "context_window": 9000})
    model = answer.json()
    assert answer.headers["location"] == f"{MODELS}/loja/vendas"
    assert model["price"] == PRICE | {"cached": None, "long": None}
    assert (model["price_source"], model["is_built_in"]) == ("organization", False)
    assert (await client.get(f"{MODELS}/loja/vendas")).json() == model
    assert (await client.get(f"{MODELS}/loja%2Fvendas")).json() == model
    assert await refused(client, "POST", "", json=OWN) == (409, "model_already_exists")
    changed = (await client.patch(f"{MODELS}/loja/vendas", json={"max_output_tokens": 500})).json()
    assert (changed["max_output_tokens"], changed["context_window"]) == (500, 9000)
    assert changed["price"] == model["price"]
    assert (await client.delete(f"{MODELS}/loja/vendas")).status_code == 204
    assert await refused(client, "GET", "/loja/vendas") == (404, "model_not_found")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"id": "x/test"}, "invalid_request"),
        ({"id": "a b"}, "invalid_request"),
        ({"id": "../x"}, "invalid_request"),
        ({"provider": "acme"}, "invalid_request"),
        ({"price": {"input": -1, "output": 1}}, "invalid_request"),
        ({"price": {"input": 0.0000001, "output": 1}}, "invalid_request"),
        ({"base_url": "https://modelos.exemplo.com/v1"}, "base_url_not_supported"),
        ({"provider": "openai_compatible", "upstream_model": "nobody/x"}, "unknown_model"),
    ],
)
async def test_a_model_that_could_not_be_used_is_refused(client, fields, code):
    assert await refused(client, "POST", "", json=OWN | fields) == (422, code)


async def test_agents_use_own_models_and_keep_them_from_being_deleted(client):
    await added(client, price=PRICE)
    agent = await an_agent(client, model_id="loja/vendas")
    metadata = await answered(client, agent)
    assert (metadata["provider"], metadata["model"]) == ("local", "local")
    usage = metadata["usage"]
    cost = usage["input_tokens"] * 2.5 + usage["output_tokens"] * 10
    assert metadata["cost_usd"] == pytest.approx(cost / 1e6, abs=1.01e-6)
    assert metadata["cost_usd"] > 0
    assert await refused(client, "DELETE", "/loja/vendas") == (409, "model_in_use")
    await client.patch(f"{MODELS}/loja/vendas", json={"is_active": False})
    chat = await client.post(
        f"/api/v2/agents/{agent['id']}/chat", json={"messages": [{"role": "user", "content": "Oi"}]}
    )
    assert (chat.status_code, chat.json()["code"]) == (422, "unknown_model")
    unknown = await client.post("/api/v2/agents", json={"name": "B", "model_id": "loja/outra"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_model")


async def test_the_keyless_model_costs_nothing_and_an_unknown_price_is_null(client):
    agent = await an_agent(client)
    assert (await answered(client, agent))["cost_usd"] == 0
    await priced(client, "local", price=None)
    assert (await answered(client, agent))["cost_usd"] is None
    shown = (await client.get(f"{MODELS}/local")).json()
    assert (shown["price"], shown["price_source"]) == (None, "organization")


async def test_a_price_holds_from_its_moment_until_the_next(client):
    agent, now = await an_agent(client), datetime.now(UTC)
    past = (now - timedelta(days=2)).isoformat()
    first = await priced(client, "local", price={"input": 1, "output": 1}, valid_from=past)
    later = (now + timedelta(days=1)).isoformat()
    await priced(client, "local", price={"input": 500, "output": 500}, valid_from=later)
    metadata = await answered(client, agent)
    tokens = metadata["usage"]["input_tokens"] + metadata["usage"]["output_tokens"]
    assert metadata["cost_usd"] == tokens / 1e6
    again = await priced(client, "local", price={"input": 3, "output": 3}, valid_from=past)
    prices = (await client.get(f"{MODELS}/local/prices")).json()["data"]
    assert [price["price"]["input"] for price in prices] == [500, 3]
    assert again["id"] == first["id"] == prices[1]["id"]
    assert (await client.get(f"{MODELS}/local")).json()["price"]["input"] == 3
    path = f"{MODELS}/local/prices/{first['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await answered(client, agent))["cost_usd"] == 0


async def test_one_token_tells_whether_a_model_works(client):
    await added(client)
    for model_id in ("local", "loja/vendas"):
        result = (await client.post(f"{MODELS}/{model_id}/test")).json()
        assert (result["status"], result["error"]) == ("succeeded", None), result
    result = (await client.post(f"{MODELS}/gpt-6-luna/test")).json()
    assert (result["status"], result["error"]["code"]) == ("failed", "provider_not_configured")
    assert await refused(client, "POST", "/loja/outra/test") == (404, "model_not_found")


async def test_models_and_prices_of_another_organization_are_as_if_they_were_not(client, settings):
    await added(client, price=PRICE)
    await priced(client, "local", price={"input": 9, "output": 9})
    other, key = new_id(), new_key()
    async with open_ports(settings) as ports:
        repository = IdentityRepository(ports.database)
        organization = await repository.ensure_organization(other, "Outra")
        await repository.register_key(organization, key, name="Outra", scopes=["*"])
    own = {"Authorization": client.headers["authorization"]}
    client.headers["authorization"] = f"Bearer {key.text}"
    assert await refused(client, "GET", "/loja/vendas") == (404, "model_not_found")
    agent = await client.post("/api/v2/agents", json={"name": "B", "model_id": "loja/vendas"})
    assert agent.json()["code"] == "unknown_model"
    assert (await answered(client, await an_agent(client)))["cost_usd"] == 0
    await added(client)  # the same id, of its own
    assert (await client.delete(f"{MODELS}/loja/vendas")).status_code == 204
    client.headers.update(own)
    assert (await client.get(f"{MODELS}/loja/vendas")).status_code == 200
