"""Budgets: set aside before a model is asked, settled after it, and never overrun by much."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from pydantic import SecretStr

from tests.conftest import serving
from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    CompletionsServer,
    Exchange,
    completions_server,
    delta,
    finish,
)
from tests.support.stories import an_agent, asking, stream
from tests.support.tools import a_tool

pytestmark = [pytest.mark.anyio, pytest.mark.once]
SETTINGS = "/api/v2/settings"
MODEL = "gpt-4o-mini"
MAX_TOKENS = 200
READ = 50


@dataclass
class Bill:
    """What the model's server counts for each answer, and when it gives it."""

    read: int = READ
    written: int = MAX_TOKENS
    gate: asyncio.Event | None = None
    calls: list[bytes] = field(default_factory=list)

    async def __call__(self, exchange: Exchange) -> None:
        usage = {"prompt_tokens": self.read, "completion_tokens": self.written}
        counted = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode()
        if self.gate is not None:
            await self.gate.wait()
        if self.calls:
            await exchange.send(STREAM_HEAD, self.calls.pop(0), finish("tool_calls"), counted, DONE)
        else:
            await exchange.send(STREAM_HEAD, delta("Olá."), finish(), counted, DONE)


@dataclass
class Place:
    """A service over a model that counts as `bill` says."""

    client: httpx2.AsyncClient
    server: CompletionsServer
    bill: Bill
    url: str

    async def sets(self, **fields):
        answer = await self.client.patch(SETTINGS, json=fields)
        assert answer.status_code == 200, answer.text

    async def asks(self, agent, **fields):
        path = f"/api/v2/agents/{agent['id']}/chat"
        return await self.client.post(path, json=asking("Oi") | fields)

    async def prices(self, **price):
        body = {"price": {"input": 1, "output": 10, "cached": None} | price}
        answer = await self.client.post(f"/api/v2/models/{MODEL}/prices", json=body)
        assert answer.status_code == 201, answer.text

    async def events(self, *types):
        await asyncio.sleep(0.3)
        found = (await self.client.get("/api/v2/events?limit=100")).json()["data"]
        return [one for one in found if one["type"] in types]


@asynccontextmanager
async def a_place(settings, bill: Bill) -> AsyncIterator[Place]:
    async with completions_server(bill) as server:
        variables = {
            "OPENAI_API_KEY": SecretStr("sk-test"),
            "OPENAI_BASE_URL": SecretStr(server.url),
        }
        chosen = settings.model_copy(update={"provider_variables": variables})
        async with serving(chosen) as url:
            key = (settings.data_dir / "api_key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
                yield Place(client, server, bill, url)


@pytest.fixture
async def place(settings) -> AsyncIterator[Place]:
    async with a_place(settings, Bill()) as place:
        yield place


async def an_asked_agent(place):
    return await an_agent(place.client, model_id=MODEL, max_tokens=MAX_TOKENS)


async def counters(connection):
    rows = await connection.fetch(
        "select name, subject, unit, used, reserved from agentes.budget_counters order by name"
    )
    return {row["name"]: (row["used"], row["reserved"]) for row in rows}


async def test_fifty_at_once_at_99_percent_are_over_by_one_answer_at_most(place, connection):
    agent = await an_asked_agent(place)
    ceiling = 100_000
    place.bill.written = 98_950
    await place.asks(agent)
    place.bill.written = MAX_TOKENS
    await place.sets(budgets={"organization_tokens_per_day": ceiling})
    answers = await asyncio.gather(*(place.asks(agent) for _ in range(50)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 402}
    used, reserved = (await counters(connection))["organization_tokens_per_day"]
    # The 99 % of before are part of it, and what was admitted was used.
    assert used == 99_000 + statuses.count(200) * (READ + MAX_TOKENS)
    assert reserved == 0
    assert used <= ceiling + MAX_TOKENS
    refused = next(answer for answer in answers if answer.status_code == 402)
    assert refused.json()["code"] == "budget_exceeded"
    assert refused.json()["budget"] == "organization_tokens_per_day"
    assert refused.json()["resets_at"].endswith("T00:00:00.000Z")
    assert int(refused.headers["retry-after"]) >= 1
    # Nothing was begun that was refused.
    runs = await connection.fetchval("select count(*) from agentes.runs")
    assert runs == 1 + statuses.count(200)
    assert len(place.server.requests) == runs


async def test_money_is_counted_to_the_micro_usd_and_told_at_80_and_100_percent(place, connection):
    agent = await an_asked_agent(place)
    await place.prices()
    # An answer costs 50 * 1 + 200 * 10 = 2,050 micro-USD.
    await place.sets(monthly_budget_usd=0.00615, timezone="America/Sao_Paulo")
    assert [(await place.asks(agent)).status_code for _ in range(2)] == [200, 200]
    assert await place.events("budget_warning", "budget_exhausted") == []
    third = await place.asks(agent)
    assert third.json()["metadata"]["cost_usd"] == 0.00205
    assert (await counters(connection))["organization_usd_per_month"] == (6150, 0)
    fourth = await place.asks(agent)
    assert (fourth.status_code, fourth.json()["code"]) == (402, "budget_exceeded")
    assert fourth.json()["resets_at"].endswith("T03:00:00.000Z")
    told = await place.events("budget_warning", "budget_exhausted")
    assert [one["type"] for one in told] == ["budget_exhausted"]
    assert told[0]["data"]["limit"] == 0.00615
    assert told[0]["data"]["used"] == 0.00615
    await place.sets(monthly_budget_usd=0.0075)
    assert (await place.asks(agent)).status_code == 200
    assert (await place.asks(agent)).status_code == 402
    assert [one["type"] for one in await place.events("budget_warning", "budget_exhausted")] == [
        "budget_exhausted",
        "budget_exhausted",
    ]


async def test_what_was_used_while_a_budget_was_not_set_counts_once_it_is_again(place, connection):
    agent = await an_asked_agent(place)
    name = "organization_tokens_per_day"
    await place.sets(budgets={name: 100_000})
    await place.asks(agent)
    await place.sets(budgets={name: None})
    for _ in range(3):
        await place.asks(agent)
    assert (await counters(connection))[name] == (4 * (READ + MAX_TOKENS), 0)
    place.bill.gate = asyncio.Event()

    async def sets_meanwhile():
        while len(place.server.requests) < 5:
            await asyncio.sleep(0.01)
        await place.sets(budgets={name: 100_000, "agent_tokens_per_day": 100_000})
        place.bill.gate.set()

    under_way, _ = await asyncio.gather(place.asks(agent), sets_meanwhile())
    assert under_way.status_code == 200
    await place.asks(agent)
    assert await counters(connection) == {
        name: (6 * (READ + MAX_TOKENS), 0),
        "agent_tokens_per_day": (6 * (READ + MAX_TOKENS), 0),
    }


async def test_a_request_longer_than_what_is_left_is_told_as_that_and_no_exhaustion(place):
    agent = await an_asked_agent(place)
    await place.sets(budgets={"organization_tokens_per_day": READ + MAX_TOKENS + 100})
    assert (await place.asks(agent)).status_code == 200
    long = await place.asks(agent, messages=[{"role": "user", "content": "Oi! " * 200}])
    assert long.status_code == 402
    assert "has less left than this request would take" in long.json()["detail"]
    told = await place.events("budget_warning", "budget_exhausted")
    assert [one["type"] for one in told] == ["budget_warning"]


async def test_four_fifths_are_told_once(place):
    agent = await an_asked_agent(place)
    await place.sets(budgets={"agent_tokens_per_day": 1_100})
    for _ in range(4):
        assert (await place.asks(agent)).status_code == 200
    (told,) = await place.events("budget_warning", "budget_exhausted")
    assert told["type"] == "budget_warning"
    assert told["data"]["agent_id"] == agent["id"]
    assert (told["data"]["limit"], told["data"]["used"]) == (1100, 1000)


async def test_one_agents_budget_leaves_others_alone(place):
    one, other = await an_asked_agent(place), await an_asked_agent(place)
    await place.sets(budgets={"agent_tokens_per_day": 500})
    assert (await place.asks(one)).status_code == 200
    assert (await place.asks(one)).status_code == 402
    assert (await place.asks(other)).status_code == 200


async def test_one_visitors_budget_leaves_others_alone(place):
    agent = await an_asked_agent(place)
    assert (await place.asks(agent, visitor_id="ana")).status_code == 200
    await place.sets(budgets={"visitor_tokens_per_day": 500})
    # What was used before the budget was set counts.
    assert (await place.asks(agent, visitor_id="ana")).status_code == 402
    assert (await place.asks(agent, visitor_id="bia")).status_code == 200
    assert (await place.asks(agent)).status_code == 200


async def test_an_unknown_price_is_refused_under_a_budget_in_usd_and_counted_in_tokens(place):
    agent = await an_agent(place.client, model_id="openai/unlisted", max_tokens=MAX_TOKENS)
    await place.sets(budgets={"organization_tokens_per_day": 500})
    assert (await place.asks(agent)).status_code == 200
    await place.sets(monthly_budget_usd=100)
    refused = await place.asks(agent)
    assert (refused.status_code, refused.json()["code"]) == (409, "price_unknown")
    assert refused.json()["budgets"] == ["organization_usd_per_month"]
    await place.sets(monthly_budget_usd=None)
    assert (await place.asks(agent)).status_code == 402


async def test_what_is_free_is_answered_when_the_money_is_gone(place):
    await place.sets(monthly_budget_usd=0)
    paid, free = await an_asked_agent(place), await an_agent(place.client)
    assert (await place.asks(paid)).status_code == 402
    assert (await place.asks(free)).status_code == 200


async def test_a_cancelled_answer_gives_back_what_it_did_not_use(place, connection):
    place.bill.gate = asyncio.Event()
    agent = await an_asked_agent(place)
    await place.sets(budgets={"organization_tokens_per_day": 10_000})
    path = f"/api/v2/agents/{agent['id']}/chat"
    async with place.client.stream("POST", f"{path}/stream", json=asking("Oi")) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                run_id = json.loads(line[6:])["run_id"]
                break
        used, reserved = (await counters(connection))["organization_tokens_per_day"]
        assert used == 0
        assert reserved > MAX_TOKENS
        await place.client.post(f"{path}/runs/{run_id}/cancel")
    place.bill.gate.set()
    assert (await counters(connection))["organization_tokens_per_day"] == (0, 0)


async def test_a_reaped_or_deleted_run_gives_back_what_was_set_aside(place, connection):
    place.bill.gate = asyncio.Event()
    agent = await an_asked_agent(place)
    await place.sets(budgets={"organization_tokens_per_day": 10_000})
    asked = [asyncio.ensure_future(place.asks(agent)) for _ in range(2)]
    while await connection.fetchval("select count(*) from agentes.runs") < 2:
        await asyncio.sleep(0.02)
    name = "organization_tokens_per_day"
    reserved = (await counters(connection))[name][1]
    one, other = await connection.fetch("select id, conversation_id from agentes.runs")
    await connection.execute(
        "update agentes.runs set owner_id = gen_random_uuid() where id = $1", one["id"]
    )
    await connection.fetchval("select process_beat_v3(gen_random_uuid(), 30, '[]')")
    assert (await counters(connection))[name] == (0, reserved // 2)
    await place.client.delete(f"/api/v2/conversations/{other['conversation_id']}")
    assert (await counters(connection))[name] == (0, 0)
    place.bill.gate.set()
    await asyncio.gather(*asked)
    assert (await counters(connection))[name] == (0, 0)


async def test_a_request_that_joins_its_run_is_not_charged_again(place, connection):
    agent = await an_asked_agent(place)
    await place.sets(budgets={"organization_tokens_per_day": 500})
    path, headers = f"/api/v2/agents/{agent['id']}/chat", {"Idempotency-Key": "k1"}
    answers = [await place.client.post(path, json=asking("Oi"), headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (await counters(connection))["organization_tokens_per_day"] == (250, 0)
    refused = {"Idempotency-Key": "k2"}
    assert (await place.client.post(path, json=asking("Oi"), headers=refused)).status_code == 402
    await place.sets(budgets={"organization_tokens_per_day": None})
    assert (await place.client.post(path, json=asking("Oi"), headers=refused)).status_code == 200


def a_call(place: int) -> bytes:
    call = {"index": 0, "id": f"call_{place}", "type": "function"}
    call["function"] = {"name": "conta", "arguments": f'{{"expression": "1+{place}"}}'}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


async def test_a_later_step_that_would_go_over_ends_the_stream_with_an_error(place, connection):
    agent = await an_asked_agent(place)
    await a_tool(place.client, agent["id"], name="conta")
    place.bill.calls = [a_call(n) for n in range(9)]
    await place.sets(budgets={"organization_tokens_per_day": 1_900})
    events = await stream(place.client, agent["id"], asking("Quanto é?"))
    assert events[-1]["event"] == "error"
    assert events[-1]["data"]["code"] == "budget_exceeded"
    asked = len(place.server.requests)
    assert 1 < asked < 9
    used, reserved = (await counters(connection))["organization_tokens_per_day"]
    assert (used, reserved) == (asked * (READ + MAX_TOKENS), 0)
    assert used <= 1_900 + MAX_TOKENS


async def test_one_answer_stays_within_what_its_agent_may_cost(place):
    await place.prices()
    agent = await an_asked_agent(place)
    await a_tool(place.client, agent["id"], name="conta")
    guardrails = {"max_cost_usd": 0.005}
    await place.client.patch(f"/api/v2/agents/{agent['id']}", json={"guardrails": guardrails})
    place.bill.calls = [a_call(n) for n in range(9)]
    events = await stream(place.client, agent["id"], asking("Quanto é?"))
    assert events[-1]["data"]["code"] == "budget_exceeded"
    assert events[-1]["data"]["budget"] == "run_usd"
    # 2,050 micro-USD each: the third begins below 5,000, and is over by less than an answer.
    assert len(place.server.requests) == 3
    await place.client.patch(
        f"/api/v2/agents/{agent['id']}", json={"guardrails": {"max_cost_usd": 0.0001}}
    )
    refused = await place.asks(agent)
    assert (refused.status_code, refused.json()["budget"]) == (402, "run_usd")


async def test_an_answer_that_waits_for_a_person_keeps_what_was_set_aside(place, connection):
    agent = await an_asked_agent(place)
    await a_tool(place.client, agent["id"], name="conta", risk="approval_required")
    place.bill.calls = [a_call(0)]
    await place.sets(budgets={"organization_tokens_per_day": 10_000, "run_tokens": 5_000})
    waits = (await place.asks(agent)).json()
    assert waits["finish_reason"] == "awaiting_approval"
    used, reserved = (await counters(connection))["organization_tokens_per_day"]
    assert (used, reserved > MAX_TOKENS) == (0, True)
    run = f"/api/v2/agents/{agent['id']}/chat/runs/{waits['run_id']}"
    (pending,) = (await place.client.get(run)).json()["pending_calls"]
    await place.client.post(f"{run}/approvals/{pending['call_id']}", json={"decision": "approve"})
    while (await place.client.get(run)).json()["status"] != "completed":
        await asyncio.sleep(0.02)
    both = 2 * (READ + MAX_TOKENS)
    assert (await counters(connection))["organization_tokens_per_day"] == (both, 0)


ORIGIN = "https://www.aurora.example"


async def test_a_widgets_key_bounds_all_its_visitors_each_of_them_and_each_address(place):
    agent = await an_agent(place.client, model_id=MODEL, max_tokens=MAX_TOKENS, visibility="public")
    path = f"/api/v2/agents/{agent['id']}/chat"

    async def a_key(**tokens):
        body = {"agent_id": agent["id"], "name": "Site", "allowed_origins": [ORIGIN], **tokens}
        return (await place.client.post(f"{SETTINGS}/widget-keys", json=body)).json()["key"]

    async def asks(key, visitor):
        async with httpx2.AsyncClient(base_url=place.url, headers={"Origin": ORIGIN}) as page:
            body = {"key": key, "visitor_token": tokens.get((key, visitor))}
            opened = (await page.post("/api/v2/widget/sessions", json=body)).json()
            tokens[key, visitor] = opened["visitor_token"]
            headers = {"Authorization": f"Bearer {opened['token']}"}
            answer = await page.post(path, json=asking("Oi"), headers=headers)
            return answer.status_code, answer.json().get("budget")

    tokens = {}
    place.bill.written = 900
    ana, bia = "ana", "bia"
    key = await a_key(daily_tokens_per_visitor=1000)
    assert await asks(key, ana) == (200, None)
    assert await asks(key, ana) == (402, "widget_visitor_tokens_per_day")
    assert await asks(key, bia) == (200, None)
    key = await a_key(daily_tokens_per_address=1000)
    assert await asks(key, ana) == (200, None)
    assert await asks(key, bia) == (402, "widget_address_tokens_per_day")
    key = await a_key(daily_tokens=1000)
    assert await asks(key, ana) == (200, None)
    assert await asks(key, bia) == (402, "widget_tokens_per_day")
    (told,) = await place.events("budget_warning")
    assert told["data"]["budget"] == "widget_tokens_per_day"


async def test_nothing_is_counted_where_nothing_is_bounded(place, connection):
    agent = await an_asked_agent(place)
    assert (await place.asks(agent)).status_code == 200
    assert await counters(connection) == {}
    assert await connection.fetchval("select reservation from agentes.runs") is None


async def test_where_a_rule_wants_it_a_person_goes_on_when_a_budget_ends(place):
    handoff = {"on_usage_limit": True, "keywords": ["humano"]}
    agent = await an_agent(place.client, model_id=MODEL, max_tokens=MAX_TOKENS, handoff=handoff)
    place.bill.written = 1_000
    await place.asks(agent)
    await place.sets(budgets={"organization_tokens_per_day": 1_000})
    asked = len(place.server.requests)
    answer = await place.asks(agent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["finish_reason"] == "human_requested"
    assert answer.json()["answer"].endswith("continue esta conversa por aqui.")
    path = f"/api/v2/conversations/{answer.json()['conversation_id']}"
    handed = (await place.client.get(path)).json()
    assert (handed["status"], handed["handoff"]["reason"]) == ("human_requested", "usage_limit")
    assert len(place.server.requests) == asked
    # Who asks for a person gets one though nothing is left; nobody else's agent does.
    other = await an_agent(place.client, model_id=MODEL, handoff={"keywords": ["humano"]})
    said = await place.asks(other, messages=[{"role": "user", "content": "Quero um humano"}])
    assert said.json()["finish_reason"] == "human_requested"
    assert (await place.asks(other)).json()["code"] == "budget_exceeded"


async def test_where_a_rule_wants_it_a_person_goes_on_in_the_midst_of_an_answer(place):
    handoff = {"on_usage_limit": True}
    agent = await an_agent(place.client, model_id=MODEL, max_tokens=MAX_TOKENS, handoff=handoff)
    await a_tool(place.client, agent["id"])
    call = {"index": 0, "id": "c1", "type": "function"}
    call |= {"function": {"name": "calcular", "arguments": '{"expression": "1+1"}'}}
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    place.bill.calls = [f"data: {json.dumps(chunk)}\n\n".encode()]
    place.bill.read, place.bill.written = 5_000, 10
    await place.sets(budgets={"run_tokens": 5_100})
    events = await stream(place.client, agent["id"], asking("Quanto é 1+1?"))
    assert events[-1]["event"] == "done"
    assert events[-1]["data"]["finish_reason"] == "human_requested"
    path = f"/api/v2/conversations/{events[0]['conversation_id']}"
    assert (await place.client.get(path)).json()["handoff"]["reason"] == "usage_limit"
