"""Other models answer where an agent's own fails before its first word, and are what is paid."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from pydantic import SecretStr

from tests.conftest import serving
from tests.support.completions_server import CompletionsServer, completions_server
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import an_agent, asking, stream, text_of
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, refusing, sending

pytestmark = pytest.mark.anyio
OPENAI, ANTHROPIC = UPSTREAMS["openai"], UPSTREAMS["anthropic"]
FIRST, SECOND, UNPRICED = "gpt-4o-mini", "claude-haiku-4-5", "anthropic/second"
AGENTS, SETTINGS = "/api/v2/agents", "/api/v2/settings"


@dataclass
class Place:
    """A service over two vendors' servers."""

    client: httpx2.AsyncClient
    first: CompletionsServer
    second: CompletionsServer

    async def answer(self, agent, **fields):
        return await self.client.post(
            f"{AGENTS}/{agent['id']}/chat", json=asking("Qual é o prazo?") | fields
        )

    async def prices(self, model_id, amount):
        body = {"price": {"input": amount, "output": amount, "cached": None}}
        answer = await self.client.post(f"/api/v2/models/{model_id}/prices", json=body)
        assert answer.status_code == 201, answer.text


@asynccontextmanager
async def a_place(settings, first, second) -> AsyncIterator[Place]:
    async with completions_server(*first) as one, completions_server(*second) as other:
        variables = {}
        for upstream, server in ((OPENAI, one), (ANTHROPIC, other)):
            url = upstream.wire.base_url(server.root)
            variables[upstream.reached.key_variable] = SecretStr("sk-test")
            variables[upstream.reached.base_url_variable] = SecretStr(url)
        async with serving(settings.model_copy(update={"provider_variables": variables})) as url:
            key = (settings.data_dir / "api_key").read_text().strip()
            async with httpx2.AsyncClient(
                verify=PLAIN_HTTP,
                base_url=url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
            ) as client:
                yield Place(client, one, other)


async def an_agent_with(place, *fallbacks, **fields):
    return await an_agent(
        place.client, model_id=FIRST, fallback_model_ids=list(fallbacks), **fields
    )


WHOLE = sending(*ANTHROPIC.whole("São ", "8 dias."))


@pytest.mark.parametrize(
    "failing",
    [
        refusing("503 Away"),
        refusing("429 Slow", b"{}", "retry-after: 60"),
        refusing("401 No", b"{}"),
        refusing("400 Bad", b"{}"),
        sending(),
        sending(OPENAI.wire.start),
    ],
    ids=["away", "limited", "refused key", "refused request", "no word", "cut off"],
)
async def test_the_next_model_answers_where_the_first_fails_before_its_first_word(
    settings, failing
):
    async with a_place(settings, [failing], [WHOLE]) as place:
        agent = await an_agent_with(place, SECOND)
        events = await stream(place.client, agent["id"], asking("Qual é o prazo?"))
        assert text_of(events) == "São 8 dias."
        assert [one["event"] for one in events].count("done") == 1
        told = next(one["data"] for one in events if one["event"] == "metadata")
        assert (told["model"], told["provider"]) == (SECOND, "anthropic")
        path = f"/api/v2/conversations/{events[0]['conversation_id']}/messages"
        kept = (await place.client.get(path)).json()["data"][-1]
        assert (kept["content"], kept["metadata"]["model"]) == ("São 8 dias.", SECOND)
        usage = (await place.client.get(f"{SETTINGS}/usage")).json()
        assert [row["model_id"] for row in usage["by_model"]] == [SECOND]


async def test_a_model_that_has_said_a_word_is_not_replaced(settings):
    begun = sending(OPENAI.wire.start, OPENAI.wire.text("São "))
    async with a_place(settings, [begun], [WHOLE]) as place:
        agent = await an_agent_with(place, SECOND)
        events = await stream(place.client, agent["id"], asking("Qual é o prazo?"))
        assert (text_of(events), events[-1]["event"]) == ("São ", "error")
        assert place.second.requests == []


async def test_where_all_fail_the_last_failure_is_told(settings):
    scripts = [refusing("503 Away")], [refusing("401 No")]
    async with a_place(settings, *scripts) as place:
        agent = await an_agent_with(place, SECOND)
        answer = await place.answer(agent)
        assert (answer.status_code, answer.json()["code"]) == (502, "provider_refused_key")


async def test_the_tools_work_goes_on_with_another_model(settings):
    wire = OPENAI.wire
    called = wire.whole_call("call_1", "calculadora", '{"expression": "2*4"}')
    calls = sending(wire.start, called, wire.finish("tool_calls"), wire.usage, wire.end)
    async with a_place(settings, [calls, refusing("503 Away")], [WHOLE]) as place:
        agent = await an_agent_with(place, SECOND)
        await a_tool(place.client, agent["id"], type="calculator", name="calculadora", config={})
        answer = (await place.answer(agent)).json()
        assert answer["answer"] == "São 8 dias."
        assert [call["status"] for call in answer["tool_calls"]] == ["succeeded"]
        assert '"8"' in str(place.second.requests[0]).replace("'", '"')


async def test_after_an_approval_the_next_model_answers_where_the_first_fails(settings):
    wire = OPENAI.wire
    called = wire.whole_call("call_1", "calculadora", '{"expression": "2*4"}')
    calls = sending(wire.start, called, wire.finish("tool_calls"), wire.usage, wire.end)
    async with a_place(settings, [calls, refusing("503 Away")], [WHOLE]) as place:
        agent = await an_agent_with(place, SECOND)
        asked = {"type": "calculator", "name": "calculadora", "config": {}}
        await a_tool(place.client, agent["id"], **asked, risk="approval_required")
        await place.prices(FIRST, 1000)
        await place.prices(SECOND, 2)
        waiting = (await place.answer(agent)).json()
        run = f"{AGENTS}/{agent['id']}/chat/runs/{waiting['run_id']}"
        (call,) = (await place.client.get(run)).json()["pending_calls"]
        approval = f"{run}/approvals/{call['call_id']}"
        answer = await place.client.post(approval, json={"decision": "approve"})
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(20):
            while (await place.client.get(run)).json()["status"] != "completed":
                await asyncio.sleep(0.05)
        path = f"/api/v2/conversations/{waiting['conversation_id']}/messages"
        last = (await place.client.get(path)).json()["data"][-1]
        assert last["content"].endswith("São 8 dias.")
        assert len(place.second.requests) == 1
        assert last["metadata"]["model"] == SECOND
        assert last["metadata"]["cost_usd"] > 0


async def test_what_is_paid_is_the_model_that_answered(settings):
    async with a_place(settings, [refusing("503 Away")], [WHOLE]) as place:
        agent = await an_agent_with(place, SECOND)
        await place.prices(FIRST, 1000)
        await place.prices(SECOND, 2)
        told = (await place.answer(agent)).json()["metadata"]
        used = told["usage"]["input_tokens"] + told["usage"]["output_tokens"]
        assert told["cost_usd"] == pytest.approx(used * 2 / 1e6)


async def test_figures_are_of_the_model_that_answered(settings):
    async with a_place(settings, [refusing("503 Away")], [WHOLE]) as place:
        await place.answer(await an_agent_with(place, SECOND))
        path, figures = "/api/v2/analytics/dashboard?period=day", ""
        async with asyncio.timeout(10):
            while SECOND not in figures:
                await asyncio.sleep(0.1)
                figures = (await place.client.get(path)).text
        assert FIRST not in figures


async def test_a_model_of_unknown_price_is_no_fallback_under_a_budget_in_usd(settings):
    async with a_place(settings, [refusing("503 Away")], [WHOLE]) as place:
        agent = await an_agent_with(place, UNPRICED)
        changed = await place.client.patch(SETTINGS, json={"monthly_budget_usd": 50})
        assert changed.status_code == 200
        answer = await place.answer(agent)
        assert answer.json()["code"] == "provider_overloaded"
        assert place.second.requests == []


async def test_one_whose_provider_is_not_set_up_is_passed_over(settings):
    async with a_place(settings, [], [WHOLE]) as place:
        agent = await an_agent(
            place.client, model_id="mistral/x", fallback_model_ids=[SECOND, "local"]
        )
        answer = (await place.answer(agent)).json()
        assert (answer["answer"], answer["metadata"]["model"]) == ("São 8 dias.", SECOND)


async def test_fallbacks_are_checked_kept_in_versions_and_copied(client):
    for wrong in (["nobody/x"], ["local", "local"], ["local"] * 6, "local"):
        body = {"name": "Ana", "model_id": "local", "fallback_model_ids": wrong}
        assert (await client.post(AGENTS, json=body)).status_code == 422
    agent = await an_agent(client, fallback_model_ids=[FIRST, "local"])
    path = f"{AGENTS}/{agent['id']}"
    changed = await client.patch(path, json={"fallback_model_ids": ["local"]})
    assert changed.json()["fallback_model_ids"] == ["local"]
    assert (await client.patch(path, json={"fallback_model_ids": ["x/y"]})).status_code == 422
    copy = await client.post(f"{path}/duplicate")
    assert copy.json()["fallback_model_ids"] == ["local"]
    restored = await client.post(f"{path}/versions/1/restore")
    assert restored.json()["fallback_model_ids"] == [FIRST, "local"]


async def test_a_model_that_an_agent_falls_back_to_cannot_be_deleted(client):
    entry = {"id": "meu", "provider": "local", "upstream_model": "local", "context_window": 8000}
    made = await client.post("/api/v2/models", json=entry)
    assert made.status_code == 201, made.text
    agent = await an_agent(client, fallback_model_ids=["meu"])
    refused = await client.delete("/api/v2/models/meu")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    await client.patch(f"{AGENTS}/{agent['id']}", json={"fallback_model_ids": []})
    assert (await client.delete("/api/v2/models/meu")).status_code == 204
