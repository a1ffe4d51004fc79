"""Turns that are put down and gone on with elsewhere, over the wire of all four dialects."""

import json
from dataclasses import replace

import pytest

from app.features.chat.events import ApprovalAsked, Suspended
from app.features.chat.going_on import Means, going_on
from app.features.chat.turn import turn
from app.features.chat.wait_repository import DecidedCall
from app.features.chat.waiting import WaitingTurn
from app.ports.llm import Models
from tests.features.test_tool_loop import SIGNATURE, calling, google_call, results_in, saying
from tests.support.toolkit import Bench, Gadget, Toolkit, news_in, reason_of, text_of
from tests.support.upstream import UPSTREAMS, sending

pytestmark = [pytest.mark.anyio, pytest.mark.once]
PAIR = [("first", "refund", '{"q":"a"}'), ("second", "stock", '{"q":"b"}')]


def first_calls(upstream):
    if upstream.adapter.name == "google":
        wire = upstream.wire
        return sending(*google_call(wire, PAIR), wire.finish("tool_calls"), wire.end)
    return calling(upstream, *PAIR, text="Vejo já.")


def decided(call_id: str, status: str = "approved", **arguments: str) -> dict[str, DecidedCall]:
    row = {"id": call_id, "name": "refund", "type": "gadget", "arguments": arguments}
    return {call_id: DecidedCall(**row, status=status)}


@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "mistral"])
async def test_put_down_as_json_and_gone_on_with_the_model_reads_what_it_would_have(name):
    upstream = UPSTREAMS[name]
    scripts = first_calls(upstream), saying(upstream)
    async with upstream.over(*scripts) as (server, provider):
        tools = [Gadget("refund", needs_approval=True), Gadget("stock")]
        run = Bench(provider, Toolkit(tools))
        before = [event async for event in turn(run.plan(), None)]
        assert [used[0] for used in run.kit.used] == ["stock"]
        asked = [event for event in before if isinstance(event, ApprovalAsked)]
        suspended = before[-1]
        assert isinstance(suspended, Suspended)
        assert [row["id"] for row in suspended.calls] == [event.call_id for event in asked]
        waiting = WaitingTurn.read(json.loads(json.dumps(suspended.state))["turn"])
        waiting = replace(waiting, model_id=f"{name}/test")
        answers = decided(asked[0].call_id, q="a")
        rest = going_on(
            waiting,
            answers,
            run.hands(),
            Means(Models({name: provider}), None, []),
            has_said=bool(text_of(before)),
        )
        after = [event async for event in rest]
    assert [used[0] for used in run.kit.used] == ["stock", "refund"]
    assert reason_of(after) == "stop"
    assert text_of(after).strip() == "Sim, há 3."
    assert [news.status for news in news_in(after)] == ["started", "succeeded"]
    assert news_in(after)[0].id == asked[0].call_id
    assert results_in(server.requests[1]) == ["{'found': 'a'}", "{'found': 'b'}"]
    sent = json.dumps(server.requests[1]["messages"])
    assert (SIGNATURE in sent) == (name == "google")
    assert server.requests[0]["messages"][:2] == server.requests[1]["messages"][:2] or (
        name == "anthropic"
    )
    assert server.requests[0]["tools"] == server.requests[1]["tools"]


async def test_what_was_begun_before_a_wait_counts_after_it():
    upstream = UPSTREAMS["openai"]

    async def asks_again(exchange):
        count = len(exchange.body["messages"])
        await calling(upstream, ("c", "refund", json.dumps({"q": str(count)})))(exchange)

    async with upstream.over(asks_again) as (server, provider):
        run = Bench(provider, Toolkit([Gadget("refund", needs_approval=True)]))
        events = [event async for event in turn(run.plan(), None)]
        while isinstance(events[-1], Suspended):
            waiting = WaitingTurn.read(events[-1].state["turn"])
            call_id = events[-1].calls[0]["id"]
            rest = going_on(
                waiting,
                decided(call_id, "denied", q="x"),
                run.hands(),
                Means(Models({"openai": provider}), None, []),
                has_said=False,
            )
            events = [event async for event in rest]
    assert reason_of(events) == "max_steps"
    assert len(server.requests) == 10
    assert run.kit.used == []
