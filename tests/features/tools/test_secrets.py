"""Secrets of tools: written, used, and never read again."""

import json

import pytest

from app.core.encryption import Vault
from app.core.ids import OrganizationId, new_id
from app.features.tools.secrets import SecretBox
from tests.support.scripted_server import scripted_server
from tests.support.stories import an_agent
from tests.support.tools import a_tool, try_tool

pytestmark = pytest.mark.anyio
CANARY = "canary-7Qm2xZ"


def an_api(port, **fields):
    return {
        "url": f"http://127.0.0.1:{port}/stock/{{sku}}",
        "auth": {"type": "bearer", "secret": "token"},
        "secrets": {"token": CANARY},
        **fields,
    }


async def an_api_tool(client, port=9, **fields):
    agent = await an_agent(client)
    return await a_tool(
        client, agent["id"], type="http", name="estoque", config=an_api(port, **fields)
    )


def path_of(tool):
    return f"/api/v2/agents/{tool['agent_id']}/tools/{tool['id']}"


@pytest.fixture
async def echo():
    """A server that answers with what it was sent."""

    async def script(heard):
        await heard.answer(json.dumps(heard.headers).encode(), Content_Type="application/json")

    async with scripted_server(script) as server:
        yield server


async def authorization_of(client, echo, tool):
    await try_tool(client, tool, sku="a")
    return echo.heard[-1].headers["authorization"]


async def test_a_secret_is_sent_and_shown_nowhere(client, echo, connection, capfd):
    tool = await an_api_tool(client, echo.port)
    assert tool["config"]["secrets"] == {"token": {"set": True, "last4": CANARY[-4:]}}
    tested = await client.post(f"{path_of(tool)}/test", json={"arguments": {"sku": "a"}})
    failed = await client.post(f"{path_of(tool)}/test", json={"arguments": {}})
    assert echo.heard[0].headers["authorization"] == f"Bearer {CANARY}"
    answers = [tested, failed]
    answers.append(await client.get(path_of(tool)))
    answers.append(await client.get(path_of(tool).rpartition("/")[0]))
    answers.append(await client.patch(path_of(tool), json={"config": {"url": 1}}))
    bad = an_api(echo.port, auth={"type": "none", "secret": CANARY})
    answers.append(await client.patch(path_of(tool), json={"config": bad}))
    copy = await client.post(f"/api/v2/agents/{tool['agent_id']}/duplicate")
    answers.append(await client.get(f"/api/v2/agents/{copy.json()['id']}/tools"))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 422, 422, 200]
    assert not any(CANARY in answer.text for answer in answers)
    assert CANARY not in str(capfd.readouterr())
    tables = await connection.fetch("select tablename from pg_tables where schemaname = 'agentes'")
    for table in tables:
        rows = await connection.fetch(f"select t::text as row from agentes.{table['tablename']} t")
        assert not any(CANARY in row["row"] for row in rows), table["tablename"]


async def test_a_patch_without_the_secret_keeps_it_and_one_with_null_lets_it_go(client, echo):
    tool = await an_api_tool(client, echo.port)
    await client.patch(path_of(tool), json={"timeout_s": 5})
    as_read = tool["config"] | {"headers": {"X-A": "1"}}
    without = {k: v for k, v in as_read.items() if k != "secrets"}
    other = as_read | {"secrets": {"second": "another-secret"}}
    for config in (as_read, without, other):
        changed = await client.patch(path_of(tool), json={"config": config})
        assert changed.json()["config"]["secrets"]["token"]["set"], changed.text
        assert await authorization_of(client, echo, tool) == f"Bearer {CANARY}"
    gone = without | {"secrets": {"token": None}, "auth": {"type": "none"}}
    changed = (await client.patch(path_of(tool), json={"config": gone})).json()
    assert set(changed["config"]["secrets"]) == {"second"}


async def test_a_kept_secret_is_never_sent_to_another_server(client, echo):
    tool = await an_api_tool(client, echo.port)
    url = tool["config"]["url"]
    elsewhere = [
        url.replace(str(echo.port), "9"),
        url.replace("127.0.0.1", "localhost"),
        url.replace("http:", "https:"),
    ]
    without = {name: part for name, part in tool["config"].items() if name != "secrets"}
    for moved in elsewhere:
        for config in (tool["config"], without, without | {"secrets": {"other": "x-secret"}}):
            answer = await client.patch(path_of(tool), json={"config": config | {"url": moved}})
            assert (answer.status_code, answer.json()["code"]) == (422, "tool_config_invalid")
            assert answer.json()["errors"][0]["pointer"] == "/config/secrets"
            assert "sent again" in answer.json()["detail"]
    for config in (without | {"url": f"{url}/more"}, an_api(9, url=elsewhere[0])):
        answer = await client.patch(path_of(tool), json={"config": config})
        assert answer.status_code == 200, answer.text


async def test_a_kept_key_is_never_sent_to_another_engine(client):
    agent = await an_agent(client)
    config = {"engine": "brave", "api_key": "BSA-example-key"}
    tool = await a_tool(client, agent["id"], type="search", name="buscar", config=config)
    answer = await client.patch(path_of(tool), json={"config": {"engine": "serper"}})
    assert (answer.status_code, "sent again" in answer.text) == (422, True)


async def test_a_new_secret_takes_the_place_of_the_old(client, echo):
    tool = await an_api_tool(client, echo.port)
    config = tool["config"] | {"secrets": {"token": "short"}}
    changed = (await client.patch(path_of(tool), json={"config": config})).json()
    assert changed["config"]["secrets"] == {"token": {"set": True, "last4": None}}
    assert await authorization_of(client, echo, tool) == "Bearer short"


async def test_a_replacement_has_the_secrets_that_it_brings_and_no_others(client, echo):
    tool = await an_api_tool(client, echo.port)
    body = {"type": "http", "name": "estoque", "config": an_api(echo.port)}
    del body["config"]["secrets"]
    assert (await client.put(path_of(tool), json=body)).status_code == 422
    body["config"]["auth"] = {"type": "none"}
    assert (await client.put(path_of(tool), json=body)).json()["config"]["secrets"] == {}


async def test_the_copy_of_an_agent_has_its_tools_with_their_secrets(client, echo):
    tool = await an_api_tool(client, echo.port)
    await a_tool(client, tool["agent_id"], name="calcular")
    agent = (await client.post(f"/api/v2/agents/{tool['agent_id']}/duplicate")).json()
    copies = (await client.get(f"/api/v2/agents/{agent['id']}/tools")).json()["data"]
    assert [copy["name"] for copy in copies] == ["calcular", "estoque"]
    own = dict.fromkeys(["id", "agent_id", "created_at", "updated_at"])
    assert copies[1] | own == tool | own
    assert await authorization_of(client, echo, copies[1]) == f"Bearer {CANARY}"
    await client.delete(path_of(tool))
    assert await authorization_of(client, echo, copies[1]) == f"Bearer {CANARY}"


async def test_a_secret_whose_key_is_gone_is_told_and_can_be_set_again(client, echo, connection):
    tool = await an_api_tool(client, echo.port)
    await connection.execute("update agentes.tools set sealed = 'AAAA' || sealed")
    answer = await client.post(f"{path_of(tool)}/test", json={"arguments": {"sku": "a"}})
    assert answer.json()["code"] == "tool_config_invalid"
    assert (await client.get(path_of(tool))).json() == tool
    config = tool["config"] | {"secrets": {"token": "new-secret"}}
    assert (await client.patch(path_of(tool), json={"config": config})).status_code == 200
    assert await authorization_of(client, echo, tool) == "Bearer new-secret"


def test_what_is_sealed_for_one_tool_opens_for_no_other():
    vault, mine, tool = Vault((b"k",)), OrganizationId(new_id()), new_id()
    sealed = SecretBox(vault, mine).seal({"token": "x"}, tool)
    assert SecretBox(vault, mine).open(sealed, tool) == {"token": "x"}
    assert SecretBox(vault, mine).open(sealed, new_id()) is None
    assert SecretBox(vault, OrganizationId(new_id())).open(sealed, tool) is None
