"""Runs that use tools, over HTTP: what clients see, what is kept, what is announced."""

import asyncio
import json
from ipaddress import ip_network

import pytest

from tests.support.completions_server import completions_server
from tests.support.run_streams import FrameReader, data_of, name_of, over
from tests.support.stories import asking, stream, text_of
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, sending

pytestmark = pytest.mark.anyio
WIRE = UPSTREAMS["openai"].wire


def calling(*calls: tuple[str, str], text: str = ""):
    parts = [WIRE.start, *([WIRE.text(text)] if text else [])]
    for place, (name, arguments) in enumerate(calls):
        parts += [WIRE.call(place, f"call_{place}", name), WIRE.arguments(place, arguments)]
    return sending(*parts, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


def saying(text: str):
    return sending(*UPSTREAMS["openai"].whole(text))


def by_name(events, name):
    return [event["data"] for event in events if event["event"] == name]


SUM = '{"expression": "2 * 149,90"}'


async def test_a_calculation_is_streamed_kept_counted_and_told_of_later(settings, connection):
    scripts = calling(("calcular", SUM), text="Um momento."), saying("São R$ 299,80.")
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent)
        events = await stream(stage.client, stage.agent, asking("Quanto é?"))
        started, ended = by_name(events, "tool")
        assert (started["status"], ended["status"]) == ("started", "succeeded")
        assert started["id"] == ended["id"]
        assert (ended["name"], ended["type"]) == ("calcular", "calculator")
        assert ended["arguments"] == json.loads(SUM)
        assert "299" in json.dumps(ended["result"])
        assert ended["duration_ms"] >= 0
        statuses = [event["status"] for event in by_name(events, "progress")]
        assert statuses == ["started", "generating", "calling_tool", "generating"]
        assert text_of(events) == "Um momento.\n\nSão R$ 299,80."
        metadata = by_name(events, "metadata")[0]
        assert metadata["tool_calls"] == 1
        assert metadata["usage"] == {"input_tokens": 14, "output_tokens": 6, "cached_tokens": 0}
        conversation = events[0]["conversation_id"]
        path = f"/api/v2/conversations/{conversation}/messages"
        kept = (await stage.client.get(path)).json()["data"][-1]
        assert (kept["status"], kept["tool_calls"]) == ("complete", [ended])
        await stream(stage.client, stage.agent, asking("E agora?", conversation_id=conversation))
    later = stage.server.requests[-1]["messages"]
    assert [message["role"] for message in later] == ["system", "user", "assistant", "user"]
    assert "<earlier_calls>" in later[0]["content"]
    assert "2 * 149,90" in later[0]["content"]
    # A calculation changes nothing, so nothing is noted but the answer.
    assert await connection.fetchval("select count(*) from agentes.tool_calls") == 0


async def test_the_whole_answer_holds_its_calls(settings):
    async with over(settings, calling(("calcular", SUM)), saying("Pronto.")) as stage:
        await a_tool(stage.client, stage.agent)
        answer = (await stage.client.post(stage.path, json=asking("Quanto é?"))).json()
    assert [call["status"] for call in answer["tool_calls"]] == ["succeeded"]
    assert answer["finish_reason"] == "stop"


async def test_a_tool_that_fails_is_announced(settings, connection):
    scripts = calling(("calcular", '{"expression": "1/0"}')), saying("Não dá.")
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent)
        events = await stream(stage.client, stage.agent, asking("Quanto é?"))
        ended = by_name(events, "tool")[-1]
        assert ended["status"] == "failed"
        await connection.fetchval("select events_number_v1()")
        facts = await connection.fetch("select data from agentes.events where type = 'tool_failed'")
    assert [json.loads(fact["data"])["call_id"] for fact in facts] == [ended["id"]]


@pytest.mark.once
async def test_no_frame_is_larger_than_promised_whatever_the_arguments(settings):
    long = json.dumps({"expression": "😀" * 10_000})
    nul = '{"expression": "a\\u0000b", "x\\u0000": 1e999}'
    calls = [("calcular", long), ("unknown😀" * 40, long), ("calcular", nul)]
    async with over(settings, calling(*calls), saying("Pronto.")) as stage:
        await a_tool(stage.client, stage.agent)
        frames = await stage.frames()
        kept = await stage.client.get(
            f"/api/v2/conversations/{data_of(frames[0])['conversation_id']}/messages"
        )
    assert name_of(frames[-1]) == "done"
    assert max(len(frame) for frame in frames) < 4096
    assert len(kept.json()["data"][-1]["tool_calls"]) == 3


@pytest.mark.once
async def test_an_agent_without_tools_is_asked_as_ever(settings):
    async with over(settings, saying("Oi.")) as stage:
        await stage.frames()
    request = stage.server.requests[0]
    assert not request.keys() & {"tools", "tool_choice"}
    assert "tools" not in request["messages"][0]["content"]


def beside(settings):
    """The same service, which may call the loopback."""
    loopback = (ip_network("127.0.0.0/8"),)
    return settings.model_copy(update={"outbound_allow_private_cidrs": loopback})


async def an_order_tool(stage, shop):
    config = {"url": f"{shop.root}/orders", "method": "POST", "body": {"sku": "{sku}"}}
    await a_tool(stage.client, stage.agent, type="http", name="pedir", config=config)


ORDER = ("pedir", '{"sku": "A-1"}')


async def taken(exchange):
    await exchange.answer("201 Created", b'{"number": 7}', "content-type: application/json")


async def test_what_changes_something_is_noted_with_its_result(settings, connection):
    async with (
        completions_server(taken) as shop,
        over(beside(settings), calling(ORDER), saying("Pedido 7.")) as stage,
    ):
        await an_order_tool(stage, shop)
        events = await stream(stage.client, stage.agent, asking("Peça um A-1."))
    ended = by_name(events, "tool")[-1]
    row = await connection.fetchrow("select * from agentes.tool_calls")
    assert (str(row["id"]), row["status"]) == (ended["id"], "succeeded")
    assert json.loads(row["result"]) == ended["result"] == {"number": 7}
    assert row["begun_at"] <= row["ended_at"]


@pytest.mark.parametrize("is_order", [True, False], ids=["after an order", "after a calculation"])
async def test_a_run_that_fails_after_an_effect_is_not_to_be_asked_again(settings, is_order):
    call = ORDER if is_order else ("calcular", SUM)
    breaking = sending(WIRE.start, WIRE.text("Ped"))
    async with (
        completions_server(taken) as shop,
        over(beside(settings), calling(call), breaking) as stage,
    ):
        await an_order_tool(stage, shop)
        await a_tool(stage.client, stage.agent)
        events = await stream(stage.client, stage.agent, asking("Peça um A-1."))
        state = await stage.run(events[0]["run_id"])
    error = events[-1]["data"]
    assert (events[-1]["event"], error["code"]) == ("error", state["error"]["code"])
    assert error["retryable"] is state["error"]["retryable"] is not is_order


async def test_a_cancel_cuts_the_call_and_nobody_knows_whether_it_took_effect(settings, connection):
    let_go = asyncio.Event()

    async def holding(exchange):
        await exchange.until_closed()
        let_go.set()

    async with (
        completions_server(holding) as shop,
        over(beside(settings), calling(ORDER), saying("Pedido.")) as stage,
    ):
        await an_order_tool(stage, shop)
        async with stage.client.stream("POST", f"{stage.path}/stream", json=asking("x")) as answer:
            reader = FrameReader(answer)
            frames = await reader.take(1)
            async with asyncio.timeout(10):
                while not shop.requests:
                    await asyncio.sleep(0.02)
            run_id = data_of(frames[0])["run_id"]
            state = await stage.client.post(f"{stage.path}/runs/{run_id}/cancel")
            frames += await reader.take()
        await asyncio.wait_for(let_go.wait(), 2)
    assert state.json()["status"] == "cancelled"
    assert data_of(frames[-1])["data"]["finish_reason"] == "cancelled"
    last = [data_of(frame)["data"] for frame in frames if name_of(frame) == "tool"][-1]
    assert (last["status"], last["error"]["code"]) == ("failed", "outcome_unknown")
    assert await connection.fetchval("select status from agentes.tool_calls") == "unknown"
    assert len(stage.server.requests) == len(shop.requests) == 1
