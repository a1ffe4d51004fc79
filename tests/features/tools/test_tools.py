"""Tools over HTTP."""

import asyncio

import pytest

from app.container import open_ports
from app.core.ids import AgentId, OrganizationId, new_id
from app.features.tools.bodies import ToolCreate, ToolUpdate
from app.features.tools.service import ToolService, active_tools
from app.web.auth import Caller
from tests.support.stories import an_agent
from tests.support.tools import a_tool, try_tool

pytestmark = pytest.mark.anyio


def tools_of(agent):
    return f"/api/v2/agents/{agent['id']}/tools"


async def test_a_created_tool_can_be_read_back(client):
    agent = await an_agent(client)
    body = {"type": "calculator", "name": "calcular", "config": {"precision": 2}}
    answer = await client.post(tools_of(agent), json=body)
    tool = answer.json()
    assert answer.headers["location"] == f"{tools_of(agent)}/{tool['id']}"
    assert (await client.get(answer.headers["location"])).json() == tool
    assert (await client.get(tools_of(agent))).json() == {"data": [tool], "next_cursor": None}
    assert (tool["risk"], tool["timeout_s"], tool["is_active"]) == ("read", 15, True)
    assert tool["parameters"]["required"] == ["expression"]


async def test_pages_hold_every_tool_once(client):
    agent = await an_agent(client)
    made = [(await a_tool(client, agent["id"], name=f"t{n}"))["id"] for n in range(5)]
    page = (await client.get(tools_of(agent), params={"limit": 3})).json()
    params = {"limit": 3, "cursor": page["next_cursor"]}
    rest = (await client.get(tools_of(agent), params=params)).json()
    assert [tool["id"] for tool in page["data"] + rest["data"]] == made[::-1]


BAD_TOOLS = [
    ({}, "/type"),
    ({"type": "rocket"}, "/type"),
    ({"type": ["calculator"]}, "/type"),
    ({"type": "calculator", "config": {}}, "/name"),
    ({"type": "calculator", "name": "a b", "config": {}}, "/name"),
    ({"type": "calculator", "name": "a\n", "config": {}}, "/name"),
    ({"type": "calculator", "name": "a" * 65, "config": {}}, "/name"),
    ({"type": "calculator", "name": "a"}, "/config"),
    ({"type": "calculator", "name": "a", "config": {"precison": 2}}, "/config/precison"),
    ({"type": "calculator", "name": "a", "config": {"precision": "2"}}, "/config/precision"),
    ({"type": "calculator", "name": "a", "config": {}, "timeout_s": 61}, "/timeout_s"),
    ({"type": "calculator", "name": "a", "config": {}, "risk": "none"}, "/risk"),
    ({"type": "calculator", "name": "a", "config": {}, "extra": 1}, "/extra"),
    ({"type": "calculator", "name": "a", "config": {}, "secret": {}}, "/secret"),
]


async def test_a_bad_tool_is_refused_with_the_place(client):
    agent = await an_agent(client)
    for body, pointer in BAD_TOOLS:
        answer = await client.post(tools_of(agent), json=body)
        assert answer.status_code == 422, answer.text
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await client.get(tools_of(agent))).json()["data"] == []


EXPRESSION = {"expression": {"type": "string"}}


BAD_SCHEMAS = [
    {"type": "string"},
    {"type": "object"},
    {"type": "object", "properties": EXPRESSION},
    {"type": "object", "properties": EXPRESSION | {"other": {}}, "required": ["expression"]},
    {"type": "object", "properties": {"expression": {"type": "strin"}}, "required": []},
    {"type": "object", "properties": {"expression": {"$ref": "http://127.0.0.1:9/s"}}},
    {"type": "object", "$defs": {}},
    {"type": "object", "properties": {"expression": {"pattern": "(?=a)"}}},
    {"type": "object", "properties": {"expression": {"pattern": "(a{1000}){1000}"}}},
    {"type": "object", "properties": {"a b": {}}},
    {"type": "object", "additionalProperties": True},
    {"type": "object", "description": "x" * 20_000},
    {"type": "object", "not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {
        "not": {"not": {"not": {"not": {"not": {"not": {}}}}}}}}}}}}}}},
]  # fmt: skip


async def test_what_could_never_be_sent_is_refused_at_once(client):
    agent = await an_agent(client)
    for fields, pointer in (
        ({"headers": {"X-A": "a\r\nEvil: c"}}, "/config"),
        ({"headers": {"X-A": "ação"}}, "/config"),
        ({"secrets": {"k": "abc"}, "query": {"a": "{secrets.k}"}}, "/config/secrets/k"),
    ):
        body = {"type": "http", "name": "a", "config": {"url": "https://a.example/", **fields}}
        answer = await client.post(f"/api/v2/agents/{agent['id']}/tools", json=body)
        assert answer.status_code == 422, fields
        assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text


async def test_a_schema_that_is_none_or_does_not_fit_the_kind_is_refused(client):
    agent = await an_agent(client)
    for parameters in BAD_SCHEMAS:
        body = {"type": "calculator", "name": "a", "config": {}, "parameters": parameters}
        answer = await client.post(tools_of(agent), json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "tool_config_invalid")
        assert answer.json()["errors"][0]["pointer"].startswith("/parameters")


async def test_a_schema_of_ones_own_is_what_the_model_gets_and_arguments_must_fit(client):
    agent = await an_agent(client)
    # On a backtracking engine the first of these patterns takes longer than the sun will shine.
    pattern = {"type": "string", "pattern": "^(a+)+$", "maxLength": 900}
    parameters = {"type": "object", "properties": {"expression": pattern}}
    parameters["required"] = ["expression"]
    tool = await a_tool(client, agent["id"], parameters=parameters)
    assert tool["parameters"] == parameters | {"additionalProperties": False}
    result = await try_tool(client, tool, expression="a" * 800 + "!")
    assert result["error"]["code"] == "invalid_arguments"


async def test_a_name_is_given_once_in_an_agent(client):
    agent, other = await an_agent(client), await an_agent(client)
    await a_tool(client, agent["id"], name="a")
    second = await a_tool(client, agent["id"], name="b")
    await a_tool(client, other["id"], name="a")
    body = {"type": "calculator", "name": "a", "config": {}}
    answers = [
        await client.post(tools_of(agent), json=body),
        await client.patch(f"{tools_of(agent)}/{second['id']}", json={"name": "a"}),
        await client.put(f"{tools_of(agent)}/{second['id']}", json=body),
    ]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(409, "tool_name_taken")] * 3


async def test_an_agent_has_at_most_64_tools_however_they_are_sent(client):
    agent = await an_agent(client)
    for n in range(60):
        await a_tool(client, agent["id"], name=f"t{n}")
    bodies = [{"type": "calculator", "name": f"u{n}", "config": {}} for n in range(10)]
    answers = await asyncio.gather(*(client.post(tools_of(agent), json=b) for b in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [409] * 6


async def test_a_patch_changes_what_is_sent_and_a_put_all(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"], config={"precision": 2}, description="Faz contas.")
    path = f"{tools_of(agent)}/{tool['id']}"
    patched = (await client.patch(path, json={"timeout_s": 5, "is_active": False})).json()
    changed = {"timeout_s": 5, "is_active": False, "updated_at": patched["updated_at"]}
    assert patched == tool | changed
    patched = (await client.patch(path, json={"config": {}})).json()
    assert patched["config"] == {"precision": None}
    replaced = await client.put(path, json={"type": "calculator", "name": "b", "config": {}})
    defaults = {"name": "b", "description": "", "timeout_s": 15, "is_active": True}
    assert replaced.json() | defaults == replaced.json()
    assert (await client.get(path)).json() == replaced.json()


async def test_a_bad_patch_tells_the_place_and_changes_nothing(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    path = f"{tools_of(agent)}/{tool['id']}"
    answer = await client.patch(path, json={"config": {"precision": 99}, "timeout_s": 3})
    assert answer.json()["errors"][0]["pointer"] == "/config/precision"
    assert (await client.patch(path, json={"type": "http"})).status_code == 422
    assert (await client.get(path)).json() == tool


async def test_of_many_changes_at_once_none_is_lost(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    path = f"{tools_of(agent)}/{tool['id']}"
    changes = [{"timeout_s": 7}, {"description": "nova"}, {"config": {"precision": 4}}]
    answers = await asyncio.gather(*(client.patch(path, json=change) for change in changes))
    assert [answer.status_code for answer in answers] == [200] * 3
    now = (await client.get(path)).json()
    assert (now["timeout_s"], now["description"]) == (7, "nova")
    assert now["config"] == {"precision": 4}


async def test_the_risk_may_only_be_made_stricter(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"], risk="approval_required")
    assert tool["risk"] == "approval_required"
    path = f"{tools_of(agent)}/{tool['id']}"
    assert (await client.patch(path, json={"risk": None})).json()["risk"] == "read"


async def test_a_tool_that_was_sent_back_as_it_was_read_has_chosen_nothing(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    writable = {k: v for k, v in tool.items() if k not in ("id", "agent_id", "created_at")}
    del writable["updated_at"], writable["risk"]
    path = f"{tools_of(agent)}/{tool['id']}"
    replaced = (await client.put(path, json=writable)).json()
    assert replaced | {"updated_at": 0} == tool | {"updated_at": 0}


async def test_a_deleted_tool_is_not_found_the_second_time(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    path = f"{tools_of(agent)}/{tool['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).json()["code"] == "tool_not_found"


async def test_a_tool_is_found_in_its_own_agent_only(client):
    agent, other = await an_agent(client), await an_agent(client)
    tool = await a_tool(client, agent["id"])
    path = f"{tools_of(other)}/{tool['id']}"
    replacing = {"type": "calculator", "name": "b", "config": {}}
    answers = [
        await client.get(path),
        await client.put(path, json=replacing),
        await client.patch(path, json={"name": "b"}),
        await client.post(f"{path}/test", json={}),
        await client.delete(path),
    ]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "tool_not_found")}
    assert (await client.get(f"{tools_of(agent)}/{tool['id']}")).json() == tool


async def test_an_agent_that_does_not_exist_has_no_list_of_tools(client):
    nobody = {"id": new_id()}
    body = {"type": "calculator", "name": "b", "config": {}}
    answers = [await client.get(tools_of(nobody)), await client.post(tools_of(nobody), json=body)]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "agent_not_found")}


async def test_the_tools_of_a_deleted_agent_are_gone(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"])
    await client.delete(f"/api/v2/agents/{agent['id']}")
    assert (await client.get(f"{tools_of(agent)}/{tool['id']}")).status_code == 404


async def test_a_test_call_tells_the_result_or_why_there_is_none(client):
    agent = await an_agent(client)
    tool = await a_tool(client, agent["id"], is_active=False)
    good = await try_tool(client, tool, expression="15% de 200")
    assert (good["status"], good["result"]["result"], good["error"]) == ("succeeded", "30", None)
    bad = await try_tool(client, tool, expression="1/0")
    assert (bad["status"], bad["error"]["code"]) == ("failed", "division_by_zero")
    unfit = await try_tool(client, tool, expresion="1")
    assert unfit["error"]["code"] == "invalid_arguments"


async def test_what_a_person_must_approve_is_tried_by_whoever_may_approve(client):
    agent = await an_agent(client)
    strict = await a_tool(client, agent["id"], risk="approval_required")
    loose = await a_tool(client, agent["id"], name="outra")
    answers = []
    for scopes in (["agents:write"], ["agents:write", "conversations:write"]):
        body = {"name": "K", "scopes": scopes}
        key = (await client.post("/api/v2/settings/api-keys", json=body)).json()["key"]
        for tool in (strict, loose):
            answer = await client.post(
                f"{tools_of(agent)}/{tool['id']}/test",
                json={"arguments": {"expression": "1 + 1"}},
                headers={"Authorization": f"Bearer {key}"},
            )
            answers.append((answer.status_code, answer.json().get("code")))
    assert answers == [(403, "scope_missing"), (200, None), (200, None), (200, None)]


async def test_the_catalogue_holds_what_a_form_needs(client):
    kinds = (await client.get("/api/v2/tools/kinds")).json()["data"]
    calculator = next(kind for kind in kinds if kind["type"] == "calculator")
    assert "precision" in calculator["config_schema"]["properties"]
    assert calculator["default_parameters"]["required"] == ["expression"]


async def test_a_change_of_tools_reaches_runs_at_once(client, settings):
    agent = await an_agent(client)
    async with open_ports(settings) as ports:
        organization = OrganizationId(agent["organization_id"])

        async def names():
            tools = await active_tools(ports, organization, AgentId(agent["id"]))
            return [(tool.name, tool.timeout_s) for tool in tools]

        service = ToolService(ports, Caller(organization, "test", frozenset({"*"})))
        assert await names() == []
        body = ToolCreate.model_validate({"type": "calculator", "name": "a", "config": {}}).root
        first = await service.create(AgentId(agent["id"]), body)
        second = await service.create(AgentId(agent["id"]), body.model_copy(update={"name": "b"}))
        assert await names() == [("a", 15), ("b", 15)]
        await service.update(AgentId(agent["id"]), first.id, ToolUpdate(timeout_s=3))
        await service.update(AgentId(agent["id"]), second.id, ToolUpdate(is_active=False))
        assert await names() == [("a", 3)]
        await service.delete(AgentId(agent["id"]), first.id)
        assert await names() == []
