"""Calls on which a person has to decide: the run waits in the database and goes on after."""

import asyncio
import json

import pytest

from app.core.ids import new_id
from tests.support.approvals import SUM, calling, decide, is_waiting, saying, waiting
from tests.support.run_streams import data_of, name_of, number_of, over
from tests.support.stories import asking, stream
from tests.support.tools import a_tool

pytestmark = pytest.mark.anyio
DONE = saying("Feito.")


def tools_in(frames: list[bytes]) -> list[tuple[str, str]]:
    data = [data_of(frame)["data"] for frame in frames if name_of(frame) == "tool"]
    return [(event["name"], event["status"]) for event in data]


def text_in(frames: list[bytes]) -> str:
    return "".join(data_of(frame)["data"] for frame in frames if name_of(frame) == "answer")


def last_result(stage) -> str:
    return stage.server.requests[-1]["messages"][-1]["content"]


async def test_an_approved_call_is_made_and_the_same_stream_goes_on(settings, connection):
    async with waiting(settings, calling(SUM, text="Vou estornar."), DONE) as wait:
        state = await wait.state()
        assert (state["status"], state["ended_at"]) == ("awaiting_approval", None)
        call = state["pending_calls"][0]
        assert (call["name"], call["type"]) == ("estornar", "calculator")
        assert call["arguments"] == json.loads(SUM[1])
        assert state["last_event_id"] == number_of(wait.frames[-1])
        assert data_of(wait.frames[-1])["data"]["call_id"] == call["call_id"]
        assert len(wait.stage.server.requests) == 1
        answer = await wait.decide()
        assert answer.status_code == 200
        assert answer.json()["status"] in ("running", "completed")
        frames = await wait.rest()
        assert [number_of(frame) for frame in frames] == list(range(1, len(frames) + 1))
        assert tools_in(frames) == [("estornar", "started"), ("estornar", "succeeded")]
        assert text_in(frames) == "Vou estornar.\n\nFeito."
        metadata = data_of(frames[-2])["data"]
        assert metadata["usage"] == {"input_tokens": 14, "output_tokens": 6, "cached_tokens": 0}
        assert (metadata["finish_reason"], metadata["tool_calls"]) == ("stop", 1)
        for cut in range(len(frames)):
            assert await wait.stage.resume(wait.run_id, cut) == frames[cut:]
        row = await connection.fetchrow("select status, decided_by from agentes.tool_calls")
        assert row["status"] == "succeeded"
        noted = (await wait.stage.client.get("/api/v2/settings/audit-log")).json()["data"]
        (decision,) = [entry for entry in noted if entry["resource"] == "tool_call"]
        assert (decision["actor"], decision["action"]) == (row["decided_by"], "tool_call.decided")
        assert await connection.fetchval("select count(*) from agentes.run_suspensions") == 0
        assert (await wait.state())["pending_calls"] == []


async def test_the_organization_is_told_that_somebody_has_to_decide(settings, connection):
    async with waiting(settings, calling(SUM), DONE) as wait:
        await asyncio.sleep(0.3)
        facts = "select data from agentes.events where type = 'approval_requested'"
        fact = json.loads(await connection.fetchval(facts))
        assert fact["call_id"] == wait.calls[0]["call_id"]
        assert (fact["run_id"], fact["arguments"]) == (wait.run_id, json.loads(SUM[1]))


async def test_who_decides_is_told_of_destinations_that_nobody_has_named(settings, connection):
    aimed = ("estornar", '{"expression": "150 para thief@evil.example"}')
    async with waiting(settings, calling(aimed), saying("Não.")) as wait:
        (call,) = wait.calls
        assert call["unsaid_destinations"] == ["thief@evil.example"]
        await asyncio.sleep(0.3)
        facts = "select data from agentes.events where type = 'approval_requested'"
        fact = json.loads(await connection.fetchval(facts))
        assert fact["unsaid_destinations"] == ["thief@evil.example"]
        assert (await wait.decide("deny")).status_code == 200
        await wait.rest()


async def test_a_person_may_change_the_arguments_within_what_the_tool_takes(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        wrong = await wait.decide(arguments={"sum": "1"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "arguments_invalid")
        assert wrong.json()["errors"][0]["pointer"] == "/arguments"
        both = await wait.decide("deny", arguments={"expression": "1"})
        assert both.status_code == 422
        await wait.decide(arguments={"expression": "100 - 10"})
        frames = await wait.rest()
        ended = next(
            data_of(frame)["data"] for frame in reversed(frames) if name_of(frame) == "tool"
        )
        assert ended["arguments"] == {"expression": "100 - 10"}
        assert "90" in json.dumps(ended["result"])
        assert "changed the arguments" in last_result(wait.stage)


async def test_a_denied_call_is_never_made_and_the_model_is_told(settings, connection):
    async with waiting(settings, calling(SUM), DONE) as wait:
        assert (await wait.decide("deny")).status_code == 200
        frames = await wait.rest()
        assert tools_in(frames) == [("estornar", "failed")]
        assert name_of(frames[-1]) == "done"
        assert "declined" in last_result(wait.stage)
        assert await connection.fetchval("select status from agentes.tool_calls") == "denied"


async def test_of_many_decisions_at_once_exactly_one_counts(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        both = ("approve", "deny") * 5
        answers = await asyncio.gather(*(wait.decide(decision) for decision in both))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200] + [409] * 9
        refused = {a.json()["code"] for a in answers if a.status_code == 409}
        assert refused == {"already_decided"}
        await wait.rest()
        assert len(wait.stage.server.requests) == 2


@pytest.mark.once
async def test_what_needs_nobody_is_made_at_once_and_results_keep_their_order(settings):
    calls = [SUM, ("calcular", '{"expression": "2 + 2"}'), ("estornar", '{"expression": "7 * 7"}')]
    async with waiting(settings, calling(*calls), DONE, calls=2) as wait:
        assert tools_in(wait.frames) == [("calcular", "started"), ("calcular", "succeeded")]
        assert (await wait.decide("approve", call=1)).json()["status"] == "awaiting_approval"
        assert len((await wait.state())["pending_calls"]) == 1
        await wait.decide("deny", call=0)
        await wait.rest()
        told = [m["content"] for m in wait.stage.server.requests[1]["messages"][-3:]]
    assert "declined" in told[0]
    assert "4" in told[1]
    assert "49" in told[2]


async def test_a_cancel_ends_a_run_that_waits(settings):
    async with waiting(settings, calling(SUM, text="Vou ver."), DONE) as wait:
        state = await wait.stage.client.post(f"{wait.stage.path}/runs/{wait.run_id}/cancel")
        assert state.json()["status"] == "cancelled"
        frames = await wait.rest()
        assert data_of(frames[-1])["data"]["finish_reason"] == "cancelled"
        assert tools_in(frames) == [("estornar", "failed")]
        late = await wait.decide()
        assert (late.status_code, late.json()["code"]) == (409, "already_decided")
        path = f"/api/v2/conversations/{state.json()['conversation_id']}/messages"
        kept = (await wait.stage.client.get(path)).json()["data"][-1]
        assert (kept["content"], kept["status"]) == ("Vou ver.", "incomplete")
        assert kept["tool_calls"][0]["error"]["code"] == "not_approved"


@pytest.mark.once
async def test_without_a_decision_the_run_ends_and_says_so(settings, connection):
    async with waiting(settings, calling(SUM), DONE) as wait:
        await connection.execute(
            "update agentes.tool_calls set expires_at = now();"
            "update agentes.run_suspensions set expires_at = now()"
        )
        late = await wait.decide()
        assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
        frames = await wait.rest()
        assert data_of(frames[-1])["data"]["code"] == "approval_expired"
        assert [number_of(frame) for frame in frames] == list(range(1, len(frames) + 1))
        assert (await wait.state())["status"] == "failed"
        assert await connection.fetchval("select status from agentes.tool_calls") == "expired"
        assert len(wait.stage.server.requests) == 1


async def test_a_stream_can_be_resumed_while_the_run_waits(settings):
    async with waiting(settings, calling(SUM, text="Já vejo."), DONE) as wait:
        count = len(wait.frames)
        for cut in range(count):
            assert await wait.stage.resume(wait.run_id, cut, count - cut) == wait.frames[cut:]
        resumed = asyncio.ensure_future(wait.stage.resume(wait.run_id, 2))
        await asyncio.sleep(0.1)
        await wait.decide()
        frames = await wait.rest()
        assert await asyncio.wait_for(resumed, 20) == frames[2:]


@pytest.mark.once
async def test_the_whole_answer_comes_at_once_and_says_that_it_waits(settings):
    async with over(settings, calling(SUM, text="Vou ver."), DONE) as stage:
        await a_tool(stage.client, stage.agent, name="estornar", risk="approval_required")
        headers = {"Idempotency-Key": "one"}
        for _ in range(2):
            answer = (await stage.client.post(stage.path, json=asking("x"), headers=headers)).json()
            assert (answer["answer"], answer["finish_reason"]) == ("Vou ver.", "awaiting_approval")
        assert len(stage.server.requests) == 1
        run_id = answer["run_id"]
        call_id = (await stage.run(run_id))["pending_calls"][0]["call_id"]
        await decide(stage.client, stage.path, run_id, call_id, decision="approve")
        await stage.ended(run_id)
        whole = (await stage.client.post(stage.path, json=asking("x"), headers=headers)).json()
    assert whole["answer"] == "Vou ver.\n\nFeito."
    assert whole["finish_reason"] == "stop"


@pytest.mark.once
async def test_one_answer_may_wait_more_than_once(settings):
    again = ("estornar", '{"expression": "1 + 1"}')
    async with waiting(settings, calling(SUM), calling(again), DONE) as wait:
        await wait.decide()
        async with asyncio.timeout(20):
            while sum(map(is_waiting, wait.frames)) < 2:
                wait.frames += await wait.reader.take(1)
            while (state := await wait.state())["status"] == "running":
                await asyncio.sleep(0.02)
        wait.calls = state["pending_calls"]
        await wait.decide()
        frames = await wait.rest()
        assert [status for _, status in tools_in(frames)] == ["started", "succeeded"] * 2
        assert len(wait.stage.server.requests) == 3


async def test_unknown_calls_and_those_of_others_are_not_found(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        client, path = wait.stage.client, wait.stage.path
        known = wait.calls[0]["call_id"]
        nobody = await decide(client, path, wait.run_id, new_id(), decision="approve")
        assert (nobody.status_code, nobody.json()["code"]) == (404, "call_not_found")
        elsewhere = await decide(client, path, new_id(), known, decision="approve")
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "run_not_found")


@pytest.mark.once
async def test_a_tool_that_went_meanwhile_is_not_called(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        tools = f"/api/v2/agents/{wait.stage.agent}/tools"
        listed = (await wait.stage.client.get(tools)).json()["data"]
        tool = next(one for one in listed if one["name"] == "estornar")
        await wait.stage.client.delete(f"{tools}/{tool['id']}")
        answer = await wait.decide()
        assert (answer.status_code, answer.json()["code"]) == (409, "tool_changed_meanwhile")
        frames = await wait.rest()
        assert tools_in(frames) == [("estornar", "failed")]
        assert "no such tool" in last_result(wait.stage)


@pytest.mark.parametrize("how", ["changed", "replaced by another of its name"])
async def test_an_approval_is_of_the_tool_as_it_was_when_it_was_asked_for(settings, how):
    async with waiting(settings, calling(SUM), DONE) as wait:
        client, tools = wait.stage.client, f"/api/v2/agents/{wait.stage.agent}/tools"
        listed = (await client.get(tools)).json()["data"]
        tool = next(one for one in listed if one["name"] == "estornar")
        if how == "changed":
            await client.patch(f"{tools}/{tool['id']}", json={"config": {"precision": 2}})
        else:
            await client.delete(f"{tools}/{tool['id']}")
            await a_tool(client, wait.stage.agent, name="estornar", risk="approval_required")
        answer = await wait.decide(arguments={"expression": "1 + 1"})
        assert (answer.status_code, answer.json()["code"]) == (409, "tool_changed_meanwhile")
        frames = await wait.rest()
        assert tools_in(frames) == [("estornar", "failed")]
        assert text_in(frames) == "Feito."
        assert "changed or removed" in last_result(wait.stage)
        assert (await wait.decide()).json()["code"] == "already_decided"


async def test_a_deleted_conversation_ends_its_waiting_stream(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        conversation = data_of(wait.frames[0])["conversation_id"]
        await wait.stage.client.delete(f"/api/v2/conversations/{conversation}")
        frames = await wait.rest()
        assert data_of(frames[-1])["data"]["code"] == "run_deleted"


@pytest.mark.once
async def test_later_messages_are_told_what_was_approved(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        await wait.decide()
        frames = await wait.rest()
        conversation = data_of(frames[0])["conversation_id"]
        body = asking("E agora?", conversation_id=conversation)
        await stream(wait.stage.client, wait.stage.agent, body)
        assert "150 - 10" in wait.stage.server.requests[-1]["messages"][0]["content"]


async def test_deciding_takes_more_than_chatting(settings):
    async with waiting(settings, calling(SUM), DONE) as wait:
        client = wait.stage.client
        path = f"{wait.stage.path}/runs/{wait.run_id}/approvals/{wait.calls[0]['call_id']}"
        codes = []
        for scopes in (["chat"], ["conversations:write"], ["chat", "conversations:write"]):
            body = {"name": "K", "scopes": scopes}
            key = (await client.post("/api/v2/settings/api-keys", json=body)).json()["key"]
            headers = {"Authorization": f"Bearer {key}"}
            answer = await client.post(path, json={"decision": "deny"}, headers=headers)
            codes.append((answer.status_code, answer.json().get("code")))
        assert codes == [(403, "scope_missing"), (403, "scope_missing"), (200, None)]
        await wait.rest()


@pytest.mark.once
async def test_a_widgets_visitor_sees_that_it_waits_and_neither_reads_nor_decides(settings):
    async with over(settings, calling(SUM), DONE) as stage:
        client, origin = stage.client, "https://a.example"
        public = await client.patch(f"/api/v2/agents/{stage.agent}", json={"visibility": "public"})
        assert public.status_code == 200
        await a_tool(client, stage.agent, name="estornar", risk="approval_required")
        body = {"agent_id": stage.agent, "name": "Site", "allowed_origins": [origin]}
        key = (await client.post("/api/v2/settings/widget-keys", json=body)).json()["key"]
        body = {"key": key, "visitor_id": "v-1"}
        session = await client.post(
            "/api/v2/widget/sessions", json=body, headers={"Origin": origin}
        )
        mine = {"Authorization": f"Bearer {session.json()['token']}"}
        answer = (await client.post(stage.path, json=asking("x"), headers=mine)).json()
        assert answer["finish_reason"] == "awaiting_approval"
        path = f"{stage.path}/runs/{answer['run_id']}"
        seen = (await client.get(path, headers=mine)).json()
        assert (seen["status"], seen["pending_calls"]) == ("awaiting_approval", [])
        call_id = (await client.get(path)).json()["pending_calls"][0]["call_id"]
        tried = await client.post(
            f"{path}/approvals/{call_id}", json={"decision": "approve"}, headers=mine
        )
        assert tried.status_code == 403
        assert (await stage.run(answer["run_id"]))["status"] == "awaiting_approval"
