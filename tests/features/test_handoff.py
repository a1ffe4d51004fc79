"""Handing over to a person: by the visitor, a rule or the model; replies; giving back."""

import pytest

from tests.features.test_feedback import a_chat, a_visitor, facts, messages_of
from tests.features.test_tool_runs import by_name, calling, saying
from tests.support.run_streams import over
from tests.support.stories import a_taught_agent, an_agent, asking, stream, text_of
from tests.support.tools import a_tool

pytestmark = pytest.mark.anyio
CONVERSATIONS = "/api/v2/conversations"


async def told_to(client, agent, **handoff):
    answer = await client.patch(f"/api/v2/agents/{agent}", json={"handoff": handoff})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def conversation(client, id_):
    return (await client.get(f"{CONVERSATIONS}/{id_}")).json()


async def test_a_visitor_asks_for_a_person_and_the_agent_is_silent(settings, connection):
    async with over(settings, saying("Olá!")) as stage:
        client = stage.client
        first = await stream(client, stage.agent, asking("Oi", visitor_id="ana"))
        id_ = first[0]["conversation_id"]
        asked = await client.post(f"{CONVERSATIONS}/{id_}/handoff", json={})
        assert asked.status_code == 200, asked.text
        handoff = asked.json()["handoff"]
        assert asked.json()["status"] == "human_requested"
        assert (handoff["reason"], handoff["requested_by"]) == ("customer_request", "visitor")
        assert handoff["summary"] == "user: Oi\nassistant: Olá!"
        assert handoff["summary_source"] == "last_messages"
        again = await client.post(f"{CONVERSATIONS}/{id_}/handoff", json={"reason": "usage_limit"})
        assert again.json() == asked.json()
        body = asking("Alguém aí?", conversation_id=id_, visitor_id="ana")
        events = await stream(client, stage.agent, body)
        assert [event["event"] for event in events] == ["progress", "progress", "done"]
        assert events[1]["data"]["status"] == "human_requested"
        assert events[2]["data"]["finish_reason"] == "human_requested"
        whole = (await client.post(stage.path, json=body)).json()
        assert (whole["answer"], whole["finish_reason"]) == ("", "human_requested")
        assert len(stage.server.requests) == 1  # the model was asked for the first message only
        kept = await messages_of(client, id_)
        assert [m["role"] for m in kept] == ["user", "assistant", "user", "user"]
        assert kept[2]["id"] == events[0]["message_id"]
        run = f"/api/v2/agents/{stage.agent}/chat/runs/{events[0]['run_id']}"
        assert (await client.get(run)).json()["status"] == "completed"
        rest = await client.get(f"{run}/stream", headers={"Last-Event-ID": "1"})
        assert rest.text.count("event: ") == 2
        assert "event: done" in rest.text
    (fact,) = await facts(connection, "human_requested")
    assert (fact["visitor_id"], fact["summary"]) == ("ana", handoff["summary"])
    assert len(await facts(connection, "message_received")) == 3
    spent = await connection.fetch("select usage from agentes.runs order by id")
    assert [row["usage"] is None for row in spent] == [False, True, True]


async def test_a_message_with_a_key_is_kept_once_while_the_agent_is_silent(client):
    chat = await a_chat(client)
    id_ = chat["conversation_id"]
    await client.post(f"{CONVERSATIONS}/{id_}/handoff", json={})
    path = f"/api/v2/agents/{chat['agent_id']}/chat"
    headers = {"Idempotency-Key": "uma-vez"}
    body = asking("Alô?", conversation_id=id_)
    first = await client.post(path, json=body, headers=headers)
    second = await client.post(path, json=body, headers=headers)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(await messages_of(client, id_)) == 3


async def test_a_person_takes_over_replies_and_gives_back_and_the_agent_knows_of_it(settings):
    async with over(settings, saying("Olá!"), saying("Como a Ana disse, amanhã.")) as stage:
        client = stage.client
        id_ = (await stream(client, stage.agent, asking("Oi")))[0]["conversation_id"]
        path = f"{CONVERSATIONS}/{id_}"
        refused = await client.post(f"{path}/handoff/take", json={"operator": "Ana"})
        assert (refused.status_code, refused.json()["code"]) == (409, "no_handoff")
        await client.post(f"{path}/handoff", json={"summary": "Quer saber do pedido."})
        taken = await client.post(f"{path}/handoff/take", json={"operator": "Ana"})
        assert taken.json()["handoff"]["taken_by"] == "Ana"
        assert taken.json()["handoff"]["summary_source"] == "caller"
        again = await client.post(f"{path}/handoff/take", json={"operator": "Ana"})
        assert again.json() == taken.json()
        late = await client.post(f"{path}/handoff/take", json={"operator": "Bia"})
        assert (late.status_code, late.json()["taken_by"]) == (409, "Ana")
        reply = {"content": "Chega amanhã.", "author_name": "Ana"}
        sent = await client.post(f"{path}/messages", json=reply)
        assert sent.status_code == 201, sent.text
        assert (sent.json()["role"], sent.json()["content"]) == ("operator", "Chega amanhã.")
        rated = await client.post(
            f"{path}/messages/{sent.json()['id']}/feedback", json={"rating": 1}
        )
        assert rated.status_code == 200
        back = await client.post(f"{path}/handoff/return")
        assert (back.json()["status"], bool(back.json()["handoff"]["returned_at"])) == (
            "active",
            True,
        )
        assert (await client.post(f"{path}/handoff/return")).json()["code"] == "no_handoff"
        events = await stream(client, stage.agent, asking("E quando?", conversation_id=id_))
        assert text_of(events) == "Como a Ana disse, amanhã."
        read = stage.server.requests[-1]["messages"]
        assert [message["role"] for message in read] == [
            "system",
            "user",
            "assistant",
            "assistant",
            "user",
        ]
        assert read[3]["content"] == "[A person of the team wrote:] Chega amanhã."
        assert "[A person of the team wrote:]" in read[0]["content"]


async def test_the_status_asks_for_a_person_gives_back_and_closes(client, connection):
    chat = await a_chat(client)
    path = f"{CONVERSATIONS}/{chat['conversation_id']}"
    asked = (await client.patch(path, json={"status": "human_requested"})).json()
    assert asked["handoff"]["reason"] == "policy_restriction"
    assert [
        one["id"]
        for one in (await client.get(CONVERSATIONS + "?status=human_requested")).json()["data"]
    ] == [asked["id"]]
    sent = await client.post(f"{path}/messages", json={"content": "Oi, sou a Ana."})
    assert sent.json()["metadata"]["author"].startswith("api_key:")
    assert (await conversation(client, asked["id"]))["handoff"]["taken_by"].startswith("api_key:")
    back = (await client.patch(path, json={"status": "active"})).json()
    assert (back["status"], back["handoff"]["returned_at"] is None) == ("active", False)
    await client.post(f"{path}/handoff", json={"reason": "unsupported_request"})
    closed = (await client.patch(path, json={"status": "resolved"})).json()
    assert closed["handoff"]["requested_by"] == "operator"
    assert closed["handoff"]["returned_at"] is not None
    answer = await client.post(
        f"/api/v2/agents/{chat['agent_id']}/chat",
        json=asking("Oi de novo", conversation_id=asked["id"]),
    )
    assert answer.json()["finish_reason"] != "human_requested"
    assert len(await facts(connection, "human_requested")) == 2
    assert len(await facts(connection, "handoff_taken")) == 1
    assert len(await facts(connection, "handoff_returned")) == 1
    assert len(await facts(connection, "conversation_resolved")) == 1


async def test_a_widgets_visitor_asks_for_itself_only_and_only_where_it_may(client):
    agent = await an_agent(client, visibility="public")
    ana, visitor_id = await a_visitor(client, agent["id"])
    bia, _ = await a_visitor(client, agent["id"])
    chat = await a_chat(client, agent, visitor_id=visitor_id)
    path = f"{CONVERSATIONS}/{chat['conversation_id']}"
    async with ana, bia:
        assert (await bia.post(f"{path}/handoff", json={})).status_code == 404
        refused = await ana.post(f"{path}/handoff", json={"reason": "tool_failure"})
        assert refused.json()["code"] == "visitors_only_ask_for_themselves"
        await told_to(client, chat["agent_id"], by_visitor=False)
        refused = await ana.post(f"{path}/handoff", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "handoff_refused")
        await told_to(client, chat["agent_id"], by_visitor=True)
        assert (await ana.post(f"{path}/handoff", json={})).status_code == 200
        for answer in (
            await ana.post(f"{path}/messages", json={"content": "Sou a Ana"}),
            await ana.post(f"{path}/handoff/take", json={}),
            await ana.post(f"{path}/handoff/return"),
        ):
            assert answer.status_code == 403
        await client.post(f"{path}/messages", json={"content": "Olá!", "author_name": "Eva"})
        assert (await messages_of(ana, chat["conversation_id"]))[-1]["metadata"] == {
            "author_name": "Eva"
        }


async def test_a_keyword_of_the_visitor_asks_for_a_person_without_the_model(settings, connection):
    async with over(settings) as stage:
        await told_to(stage.client, stage.agent, keywords=["falar com atendente", "humano"])
        events = await stream(
            stage.client, stage.agent, asking("Quero FALAR  com Aténdente!", visitor_id="ana")
        )
        assert "pessoa da equipe" in text_of(events)
        assert by_name(events, "progress")[-1]["reason"] == "customer_request"
        assert by_name(events, "done")[0]["finish_reason"] == "human_requested"
        assert by_name(events, "metadata")[0]["usage"] is None
        assert stage.server.requests == []
        kept = await conversation(stage.client, events[0]["conversation_id"])
        assert kept["status"] == "human_requested"
        assert kept["handoff"]["requested_by"] == "rule"
        assert "Quero FALAR com Aténdente!" in kept["handoff"]["summary"]
    assert len(await facts(connection, "human_requested")) == 1


async def test_a_part_of_a_word_is_no_keyword(client):
    agent = await an_agent(client, handoff={"keywords": ["humano"]})
    events = await stream(client, agent["id"], asking("Vocês vendem livros humanos-robóticos?"))
    assert by_name(events, "done")[0]["finish_reason"] != "human_requested"


async def test_questions_that_stay_unanswered_ask_for_a_person(client):
    agent = await a_taught_agent(client, handoff={"after_unanswered": 2})
    ask = asking("Vocês vendem helicópteros?")
    first = await stream(client, agent["id"], ask)
    id_ = first[0]["conversation_id"]
    assert by_name(first, "done")[0]["finish_reason"] != "human_requested"
    answered = await stream(
        client, agent["id"], asking("Qual o prazo para o Nordeste?", conversation_id=id_)
    )
    assert by_name(answered, "source")
    again = await stream(client, agent["id"], ask | {"conversation_id": id_})
    assert by_name(again, "done")[0]["finish_reason"] != "human_requested"  # it began anew
    last = await stream(client, agent["id"], ask | {"conversation_id": id_})
    assert by_name(last, "done")[0]["finish_reason"] == "human_requested"
    assert (await conversation(client, id_))["handoff"]["reason"] == "missing_knowledge"
    kept = await messages_of(client, id_)
    assert kept[-1]["content"] == text_of(last)
    assert kept[-1]["content"].endswith("continue esta conversa por aqui.")


async def test_a_tool_that_has_failed_asks_for_a_person_and_one_that_was_mended_does_not(settings):
    broken, right = '{"expression": "1/0"}', '{"expression": "1/2"}'
    scripts = (
        calling(("calcular", broken)),
        calling(("calcular", right)),
        saying("Meio."),
        calling(("calcular", broken)),
        saying("Não dá."),
    )
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent)
        await told_to(stage.client, stage.agent, on_tool_failure=True)
        mended = await stream(stage.client, stage.agent, asking("Quanto é?"))
        assert by_name(mended, "done")[0]["finish_reason"] == "stop"
        failed = await stream(stage.client, stage.agent, asking("Quanto é?"))
        assert by_name(failed, "done")[0]["finish_reason"] == "human_requested"
        kept = await conversation(stage.client, failed[0]["conversation_id"])
        assert kept["handoff"]["reason"] == "tool_failure"


ASK = '{"reason": "policy_restriction", "summary": "Quer um reembolso do pedido 1042."}'


async def test_the_model_asks_for_a_person_and_sums_the_conversation_up(settings, connection):
    scripts = calling(("request_human", ASK)), saying("Chamei uma pessoa.")
    async with over(settings, *scripts) as stage:
        await told_to(stage.client, stage.agent, by_model=True)
        events = await stream(stage.client, stage.agent, asking("Quero um reembolso"))
        assert text_of(events) == "Chamei uma pessoa."
        assert by_name(events, "done")[0]["finish_reason"] == "human_requested"
        offered = stage.server.requests[0]["tools"]
        assert [tool["function"]["name"] for tool in offered] == ["request_human"]
        kept = await conversation(stage.client, events[0]["conversation_id"])
        assert kept["handoff"]["summary"] == "Quer um reembolso do pedido 1042."
        assert kept["handoff"]["summary_source"] == "model"
        assert kept["handoff"]["requested_by"] == "model"
    (fact,) = await facts(connection, "human_requested")
    assert fact["reason"] == "policy_restriction"
    assert fact["summary_source"] == "model"


async def test_the_model_is_not_offered_a_handoff_that_the_agent_does_not_allow(settings):
    scripts = calling(("request_human", ASK)), saying("Não posso.")
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent)
        events = await stream(stage.client, stage.agent, asking("Quero um reembolso"))
        assert by_name(events, "tool")[-1]["error"]["code"] == "unknown_tool"
        kept = await conversation(stage.client, events[0]["conversation_id"])
        assert (kept["status"], kept["handoff"]) == ("active", None)


async def test_a_handoff_that_does_not_fit_changes_nothing(client):
    agent = await an_agent(client)
    assert agent["handoff"] == {
        "by_visitor": True,
        "by_model": False,
        "keywords": [],
        "after_unanswered": None,
        "on_tool_failure": False,
        "on_usage_limit": False,
    }
    for handoff in ({"keywords": ["x"]}, {"after_unanswered": 0}, {"by_robot": True}, None):
        refused = await client.patch(f"/api/v2/agents/{agent['id']}", json={"handoff": handoff})
        assert refused.status_code == 422, handoff
    assert (await client.get(f"/api/v2/agents/{agent['id']}")).json() == agent
    changed = await told_to(client, agent["id"], by_model=True)
    versions = (await client.get(f"/api/v2/agents/{agent['id']}/versions")).json()["data"]
    assert versions[0]["version"] == changed["version"] == 2
    assert list(versions[0]["changes"]) == ["handoff"]
    chat = await a_chat(client)
    for body in ({"reason": "boredom"}, {"summary": "x" * 2001}, {"who": "Ana"}):
        path = f"{CONVERSATIONS}/{chat['conversation_id']}"
        assert (await client.post(f"{path}/handoff", json=body)).status_code == 422
    for body in ({}, {"content": " "}, {"content": "Oi", "role": "assistant"}):
        assert (await client.post(f"{path}/messages", json=body)).status_code == 422
    kept = await conversation(client, chat["conversation_id"])
    assert (kept["status"], kept["version"], kept["handoff"]) == ("active", 1, None)


async def test_what_persons_wrote_and_summed_up_is_given_out_and_erased(client, connection):
    chat = await a_chat(client, visitor_id="ana")
    path = f"{CONVERSATIONS}/{chat['conversation_id']}"
    await client.post(f"{path}/handoff", json={"summary": "canarinho-resumo"})
    await client.post(f"{path}/messages", json={"content": "canarinho-resposta"})
    export = await client.post("/api/v2/privacy/exports", json={"visitor_id": "ana"})
    assert "canarinho-resumo" in export.text
    assert "canarinho-resposta" in export.text
    erased = await client.post("/api/v2/privacy/erasures", json={"visitor_id": "ana"})
    assert erased.status_code == 201
    for table in ("conversations", "messages", "events", "outbox", "feedback", "audit_log"):
        rows = await connection.fetch(f"select t::text as row from agentes.{table} t")
        assert not any("canarinho" in row["row"] for row in rows), table
