"""The kinds http and webhook through the service, and who may see whose tools."""

import json

import pytest

from app.core.ids import derived_id, is_id, new_id
from app.domain_events import EVENTS
from app.domain_events.custom import EXAMPLE, custom_kind, is_free
from tests.support.scripted_server import scripted_server
from tests.support.stories import an_agent
from tests.support.tools import a_tool, try_tool

pytestmark = pytest.mark.anyio
ALL_TOLD = """select type, agent_id::text, data from agentes.outbox where type = $1
  union all select type, agent_id::text, data from agentes.events where type = $1"""


async def an_event_tool(client, **config):
    agent = await an_agent(client)
    config = {"event": "pedido_confirmado", **config}
    return await a_tool(client, agent["id"], type="webhook", name="avisar", config=config)


async def test_an_api_is_called_and_the_trace_tells_all_of_it(client):
    async def script(heard):
        body = json.dumps({"data": {"stock": 7}, "path": heard.path}).encode()
        await heard.answer(body, Content_Type="application/json", Set_Cookie="s=1")

    async with scripted_server(script) as server:
        agent = await an_agent(client)
        config = {
            "url": f"http://127.0.0.1:{server.port}/stock/{{sku}}",
            "response_path": "$.data.stock",
        }
        tool = await a_tool(client, agent["id"], type="http", name="estoque", config=config)
        result = await try_tool(client, tool, sku="cam/1")
    assert (result["status"], result["result"]) == ("succeeded", 7)
    assert server.heard[0].path == "/stock/cam%2F1"
    assert result["trace"]["request"]["method"] == "GET"
    assert result["trace"]["response"]["status"] == 200
    assert result["trace"]["response"]["headers"]["set-cookie"] == "[hidden]"
    assert json.loads(result["trace"]["response"]["body_start"])["path"] == "/stock/cam%2F1"
    assert result["trace"]["selected"] == 7


async def test_a_server_that_is_not_there_is_a_failed_test_and_no_failed_request(client):
    agent = await an_agent(client)
    config = {"url": "http://127.0.0.1:9/x"}
    tool = await a_tool(client, agent["id"], type="http", name="nada", config=config)
    result = await try_tool(client, tool)
    assert (result["status"], result["error"]["code"]) == ("failed", "fetch_unreachable")
    assert result["trace"]["request"]["url"] == "http://127.0.0.1:9/x"


async def test_an_address_that_is_never_called_is_refused_when_it_is_written(client):
    agent = await an_agent(client)
    for url in (
        "http://169.254.169.254/latest/{path}",
        "http://[::ffff:10.0.0.1]/",
        "https://0x7f.1/",
    ):
        body = {"type": "http", "name": "a", "config": {"url": url}}
        answer = await client.post(f"/api/v2/agents/{agent['id']}/tools", json=body)
        assert answer.status_code == 422, url
    headers = {"url": "https://api.example.com/", "headers": {"Host": "evil.example"}}
    body = {"type": "http", "name": "a", "config": headers}
    answer = await client.post(f"/api/v2/agents/{agent['id']}/tools", json=body)
    assert answer.status_code == 422


async def test_what_changes_something_cannot_be_called_a_reading(client):
    agent = await an_agent(client)
    config = {"url": "https://api.example.com/"}
    tool = await a_tool(client, agent["id"], type="http", name="a", config=config, risk="read")
    path = f"/api/v2/agents/{agent['id']}/tools/{tool['id']}"
    posting = {"config": config | {"method": "POST"}}
    answer = await client.patch(path, json=posting)
    assert answer.json()["errors"][0]["pointer"] == "/risk"
    assert (await client.patch(path, json=posting | {"risk": None})).json()["risk"] == "write"


async def test_an_event_of_ones_own_is_told_with_where_it_came_from(client, connection):
    template = {"pedido": "{pedido}", "itens": ["{item}"], "nota": "de {pedido}"}
    tool = await an_event_tool(client, payload_template=template)
    assert tool["risk"] == "write"
    assert set(tool["parameters"]["properties"]) == {"pedido", "item"}
    result = await try_tool(client, tool, pedido='"},{"', item="x")
    assert result["status"] == "succeeded"
    (event,) = await connection.fetch(ALL_TOLD, "pedido_confirmado")
    data = json.loads(event["data"])
    assert data["payload"] == {"pedido": '"},{"', "itens": ["x"], "nota": 'de "},{"'}
    assert (data["is_test"], data["tool_id"]) == (True, tool["id"])
    assert event["agent_id"] == tool["agent_id"]


async def test_without_a_template_the_payload_is_the_arguments(client, connection):
    agent = await an_agent(client)
    parameters = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    fields = {"config": {"event": "contagem"}, "parameters": parameters}
    tool = await a_tool(client, agent["id"], type="webhook", name="contar", **fields)
    assert (await try_tool(client, tool, n="1"))["error"]["code"] == "invalid_arguments"
    await try_tool(client, tool, n=1)
    (event,) = await connection.fetch(ALL_TOLD, "contagem")
    assert json.loads(event["data"])["payload"] == {"n": 1}


async def test_a_template_that_is_one_placeholder_may_be_left_without_a_value(client, connection):
    tool = await an_event_tool(client, payload_template="{pedido}")
    assert (await try_tool(client, tool))["status"] == "succeeded"
    await try_tool(client, tool, pedido="A-1")
    told = await connection.fetch(ALL_TOLD, "pedido_confirmado")
    assert sorted(str(json.loads(event["data"])["payload"]) for event in told) == ["A-1", "None"]


async def test_an_event_is_announced_once_however_often_its_call_is_made(client, connection):
    tool = await an_event_tool(client)
    organization = await connection.fetchval("select id::text from agentes.organizations")
    event = custom_kind("pedido_confirmado").of(EXAMPLE, agent_id=tool["agent_id"])
    call = "select event_announce_once_v1($1, $2)"
    outcomes = []
    for _ in range(2):
        outcomes.append(
            json.loads(await connection.fetchval(call, organization, json.dumps(event)))
        )
        await connection.fetchval("select events_number_v1()")
    outcomes.append(json.loads(await connection.fetchval(call, organization, json.dumps(event))))
    assert [o["outcome"] for o in outcomes] == ["announced", "announced_before", "announced_before"]
    assert len(await connection.fetch(ALL_TOLD, "pedido_confirmado")) == 1


def test_a_call_has_one_event_id_in_the_order_of_time():
    run, later = new_id(), new_id()
    assert derived_id(run, "call-1") == derived_id(run, "call-1") != derived_id(run, "call-2")
    assert is_id(derived_id(run, "call-1"))
    assert derived_id(run, "x")[:13] == run[:13]
    assert derived_id(later, "x")[14] == "7"


def test_built_in_names_and_those_of_streams_are_not_to_be_had():
    assert not any(is_free(name) for name in EVENTS)
    taken = ["gap", "lead_captured", "webhook_x", "Pedido", "a", "x" * 63, "a b", "*", "a\n", "1a"]
    assert [name for name in taken if is_free(name)] == []
    assert is_free("pedido_confirmado")


async def test_the_tools_of_another_organization_are_like_none(client, connection):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    theirs = new_id()
    await connection.execute(
        "insert into agentes.organizations (id, slug, name) values ($1, 'o', 'o')", theirs
    )
    await connection.execute("update agentes.agents set organization_id = $1", theirs)
    await connection.execute("update agentes.tools set organization_id = $1", theirs)
    mine = await an_agent(client)
    body = {"type": "calculator", "name": "a", "config": {}}
    for agent_id, tool_id, code in (
        (agent["id"], tool["id"], "tool_not_found"),
        (mine["id"], tool["id"], "tool_not_found"),
        (agent["id"], "", "agent_not_found"),
    ):
        path = f"/api/v2/agents/{agent_id}/tools/{tool_id}".rstrip("/")
        answers = [await client.get(path)]
        if tool_id:
            answers += [
                await client.delete(path),
                await client.put(path, json=body),
                await client.patch(path, json={"name": "b"}),
                await client.post(f"{path}/test", json={}),
            ]
        else:
            answers += [await client.post(path, json=body)]
        assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, code)}
    assert await connection.fetchval("select count(*) from agentes.tools") == 1
