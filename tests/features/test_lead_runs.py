"""Runs in which an agent takes a lead and shows a form, over HTTP: the whole way of a visitor."""

import json

import httpx2
import pytest

from app.container import open_ports
from app.core.ids import AgentId, OrganizationId
from tests.support.run_streams import name_of, over
from tests.support.stories import an_agent, asking, stream
from tests.support.tool_calls import Shop
from tests.support.tools import a_tool, try_tool
from tests.support.upstream import UPSTREAMS, sending

pytestmark = pytest.mark.anyio
WIRE = UPSTREAMS["openai"].wire
CONSENT = "Aceito que a Loja Aurora fale comigo."
LEAD = {
    "type": "lead_capture",
    "name": "registrar",
    "config": {"required_fields": ["name", "email", "cpf"], "consent_text": CONSENT},
}
FORM = {
    "type": "form",
    "name": "agendar",
    "config": {
        "title": "Agende uma visita",
        "fields": [
            {"name": "quando", "label": "Quando?", "type": "date", "required": True},
            {"name": "aceito", "label": "Aceito", "type": "checkbox"},
        ],
    },
}


def calling(name: str, /, **arguments):
    call = (WIRE.call(0, "call_0", name), WIRE.arguments(0, json.dumps(arguments)))
    return sending(WIRE.start, *call, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


def saying(text: str):
    return sending(*UPSTREAMS["openai"].whole(text))


def data_by(events, name):
    return [event["data"] for event in events if event["event"] == name]


async def test_a_lead_with_consent_and_cpf_is_taken_over_two_messages(settings):
    scripts = (
        calling("registrar", name="Ana Souza", email="ana@exemplo.com.br"),
        saying(f"{CONSENT} Você concorda? E qual é o CPF?"),
        calling("registrar", cpf="529.982.247-26", consent=True),
        calling("registrar", cpf="529.982.247-25"),
        saying("Pronto!"),
    )
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent, **LEAD)
        first = await stream(stage.client, stage.agent, asking("Sou a Ana, ana@exemplo.com.br"))
        conversation = first[0]["conversation_id"]
        told = data_by(first, "tool")[-1]
        assert (told["status"], told["result"]["status"]) == ("succeeded", "incomplete")
        assert told["result"]["consent"]["text"] == CONSENT
        second = await stream(
            stage.client, stage.agent, asking("Sim, 529…", conversation_id=conversation)
        )
        statuses = [call["status"] for call in data_by(second, "tool")]
        assert statuses == ["started", "failed", "started", "succeeded"]
        assert data_by(second, "tool")[1]["error"]["code"] == "invalid_fields"
        (lead,) = (await stage.client.get("/api/v2/leads")).json()["data"]
    assert (lead["document"], lead["document_type"], lead["is_complete"]) == (
        "52998224725",
        "cpf",
        True,
    )
    assert (lead["consent"]["text"], lead["conversation_id"]) == (CONSENT, conversation)


async def test_a_form_is_shown_sent_and_known_to_the_model_afterwards(settings):
    scripts = (calling("agendar", quando="24/12/2026"), saying("Preencha."), saying("Até lá!"))
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent, **FORM)
        events = await stream(stage.client, stage.agent, asking("Quero agendar"))
        (form,) = data_by(events, "form")
        assert form["fields"][0]["default"] == "2026-12-24"
        url = httpx2.URL(form["submit_url"]).path
        body = {"values": {"quando": "2026-12-25", "aceito": True}}
        answer = await stage.client.post(url, json=body)
        assert answer.status_code == 201, answer.text
        conversation = events[0]["conversation_id"]
        await stream(stage.client, stage.agent, asking("E aí?", conversation_id=conversation))
    asked = stage.server.requests[-1]["messages"]
    said = [message["content"] for message in asked if message["role"] == "user"]
    assert said == [
        "Quero agendar",
        "[Formulário enviado: Agende uma visita]\nQuando?: 2026-12-25\nAceito: sim",
        "E aí?",
    ]


async def test_the_whole_answer_gives_the_form_too_and_so_does_a_request_made_again(settings):
    scripts = (calling("agendar", quando="24/12/2026"), saying("Preencha."))
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent, **FORM)
        url, headers = f"/api/v2/agents/{stage.agent}/chat", {"Idempotency-Key": "k1"}
        first = await stage.client.post(url, json=asking("Quero agendar"), headers=headers)
        (form,) = first.json()["forms"]
        assert form["fields"][0]["default"] == "2026-12-24"
        kept = (await stage.client.get(f"/api/v2/forms/{form['form_id']}")).json()
        assert form == {name: kept[name] for name in form}
        again = await stage.client.post(url, json=asking("Quero agendar"), headers=headers)
    assert again.json()["forms"] == [form]
    assert again.json() == first.json()


@pytest.mark.once
async def test_the_largest_form_fits_into_one_frame(settings):
    field = {"label": "ç" * 60, "type": "text", "required": True, "max_length": 100}
    fields = [field | {"name": f"a{n}"} for n in range(4)]
    config = {"title": "ã" * 60, "fields": fields}
    filled = {one["name"]: "é" * 15 for one in fields}
    async with over(settings, calling("agendar", **filled), saying("Pronto.")) as stage:
        await a_tool(stage.client, stage.agent, **(FORM | {"config": config}))
        frames = await stage.frames()
    (form,) = [frame for frame in frames if name_of(frame) == "form"]
    assert 2000 < len(form) < 4096


async def test_a_test_call_of_either_tool_leaves_nothing_behind(client):
    agent = await an_agent(client)
    lead = await a_tool(client, agent["id"], **LEAD)
    form = await a_tool(client, agent["id"], **FORM)
    told = await try_tool(client, lead, name="Ana", email="ana@exemplo.com.br")
    assert (told["status"], told["trace"]["stored"]) == ("succeeded", False)
    assert (await try_tool(client, form, quando="24/12/2026"))["status"] == "succeeded"
    for path in ("leads", "forms", "conversations"):
        assert (await client.get(f"/api/v2/{path}")).json()["data"] == []


async def test_a_widget_session_sends_its_own_visitors_form_and_reads_no_leads(client, settings):
    agent = await an_agent(client, visibility="public")
    body = {"agent_id": agent["id"], "name": "Site", "allowed_origins": ["https://a.example"]}
    key = (await client.post("/api/v2/settings/widget-keys", json=body)).json()["key"]
    sessions = [
        await client.post(
            "/api/v2/widget/sessions",
            json={"key": key, "visitor_id": visitor},
            headers={"Origin": "https://a.example"},
        )
        for visitor in ("visitante-1", "visitante-2")
    ]
    mine, theirs = ({"Authorization": f"Bearer {one.json()['token']}"} for one in sessions)
    async with open_ports(settings) as ports:
        shop = Shop(ports, OrganizationId(agent["organization_id"]), AgentId(agent["id"]))
        visitor = sessions[0].json()["visitor_id"]
        conversation = await shop.a_conversation(visitor)
        shown = await shop.call("form", FORM["config"], {}, conversation, visitor_id=visitor)
    assert shown.form is not None
    path = f"/api/v2/forms/{shown.form.data['form_id']}"
    sent = {"values": {"quando": "2026-12-24"}}
    assert (await client.get(path, headers=theirs)).status_code == 404
    refused = await client.post(f"{path}/submissions", json=sent, headers=theirs)
    assert refused.status_code == 404
    found = await client.get("/api/v2/forms", params={"status": "open"}, headers=mine)
    assert [form["id"] for form in found.json()["data"]] == [shown.form.data["form_id"]]
    answer = await client.post(f"{path}/submissions", json=sent, headers=mine)
    assert answer.status_code == 201, answer.text
    for closed in ("/api/v2/leads", "/api/v2/leads/export", "/api/v2/forms/submissions"):
        assert (await client.get(closed, headers=mine)).status_code == 403
