"""One visitor of a shop, over HTTP: a price, the stock, a lead with consent and CPF, a form."""

import asyncio
import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.completions_server import completions_server
from tests.support.run_streams import MODEL
from tests.support.scripted_server import Conversation, scripted_server
from tests.support.service import running_service
from tests.support.stories import an_agent, asking, stream, text_of
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, sending

pytestmark = [pytest.mark.anyio, pytest.mark.once]
WIRE = UPSTREAMS["openai"].wire
CONSENT = "Aceito que a Loja Aurora fale comigo por e-mail."
FORMULA = "=HYPERLINK(1)"
EVENT = "pedido_anotado"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


def calling(name: str, /, **arguments):
    call = (WIRE.call(0, "call_0", name), WIRE.arguments(0, json.dumps(arguments)))
    return sending(WIRE.start, *call, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


def saying(text: str):
    return sending(*UPSTREAMS["openai"].whole(text))


SCRIPT = (
    calling("calcular", expression="3 * 149,90 - 15% de 449,70"),
    saying("Três saem por R$ 382,25."),
    calling("consultar", sku="A-1"),
    saying("Há 7 no estoque."),
    calling("registrar", name="Ana Souza", email="ana@exemplo.com.br", cpf="529.982.247-25"),
    saying(f"{CONSENT} Você concorda?"),
    calling("registrar", consent=True, interesse=FORMULA),
    calling("agendar"),
    saying("Anotado! Preencha a visita."),
    calling("pedir", sku="A-1", obs=FORMULA),
    calling("avisar", obs=FORMULA),
    saying("Pedido 7 feito."),
)


async def the_tools(client: httpx2.AsyncClient, agent: str, shop: str) -> None:
    lead = {"required_fields": ["name", "email", "cpf"], "optional_fields": ["interesse"]}
    day = {"name": "quando", "label": "Quando?", "type": "date", "required": True}
    order = {"url": f"{shop}/orders", "method": "POST", "body": {"sku": "{sku}", "obs": "{obs}"}}
    for kind, name, config in (
        ("calculator", "calcular", {}),
        ("http", "consultar", {"url": f"{shop}/stock/{{sku}}", "response_path": "$.stock"}),
        ("lead_capture", "registrar", lead | {"consent_text": CONSENT}),
        ("form", "agendar", {"title": "Agende uma visita", "fields": [day]}),
        ("http", "pedir", order),
        ("webhook", "avisar", {"event": EVENT, "payload_template": {"obs": "{obs}"}}),
    ):
        await a_tool(client, agent, type=kind, name=name, config=config)


async def serve_stock(heard: Conversation) -> None:
    answer = {"stock": 7, "internal": "x"} if heard.path == "/stock/A-1" else {"number": 7}
    await heard.answer(json.dumps(answer).encode(), content_type="application/json")


class Visitor:
    """What one visitor does, and what their streams have held."""

    def __init__(self, client: httpx2.AsyncClient, agent: str) -> None:
        self._client, self._agent = client, agent
        self.conversation: str | None = None
        self.events: list[dict] = []

    async def says(self, text: str) -> str:
        body = asking(text, conversation_id=self.conversation, visitor_id="visitante-1")
        events = await stream(self._client, self._agent, body)
        assert events[-1]["event"] == "done", events[-1]
        self.conversation = events[0]["conversation_id"]
        self.events += events
        return text_of(events)

    def data(self, name: str) -> list[dict]:
        return [event["data"] for event in self.events if event["event"] == name]

    async def rows(self, path: str) -> list[dict]:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


async def test_a_whole_conversation_is_in_the_stream_and_in_the_api(data_dir):
    async with scripted_server(serve_stock) as shop, completions_server(*SCRIPT) as model:
        variables = {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": model.url,
            "OUTBOUND_ALLOW_PRIVATE_CIDRS": "127.0.0.0/8",
        }
        async with running_service(data_dir, **variables) as service, service.client() as client:
            agent = (await an_agent(client, model_id=MODEL))["id"]
            await the_tools(client, agent, f"http://127.0.0.1:{shop.port}")
            visitor = Visitor(client, agent)
            assert "382,25" in await visitor.says(
                "Quanto custam 3 de R$ 149,90 com 15% de desconto?"
            )
            await visitor.says("Tem no estoque?")
            await visitor.says("Sou a Ana Souza, ana@exemplo.com.br, CPF 529.982.247-25")
            await visitor.says("Sim, concordo.")
            (form,) = visitor.data("form")
            sent = {"values": {"quando": "2026-12-24"}}
            answer = await client.post(httpx2.URL(form["submit_url"]).path, json=sent)
            assert answer.status_code == 201, answer.text
            await visitor.says("Enviei. Pode pedir um?")
            await everything_is_kept(client, visitor)
    calls = [(call["name"], call["status"]) for call in visitor.data("tool")]
    names = ["calcular", "consultar", "registrar", "registrar", "agendar", "pedir", "avisar"]
    assert calls == [(name, status) for name in names for status in ("started", "succeeded")]
    results = [call["result"] for call in visitor.data("tool") if call["status"] == "succeeded"]
    assert "382" in json.dumps(results[0])
    assert results[1] == 7
    assert (results[2]["status"], results[3]["status"]) == ("incomplete", "captured")
    # What a spreadsheet would run stays as it is where nobody opens a spreadsheet.
    assert json.loads(shop.heard[-1].body) == {"sku": "A-1", "obs": FORMULA}
    told = model.requests[-1]["messages"]
    assert "[Formulário enviado: Agende uma visita]" in json.dumps(told, ensure_ascii=False)


async def every_fact(visitor: Visitor) -> list[dict]:
    """The events, once they are numbered up to the last answer."""
    async with asyncio.timeout(20):
        while True:
            facts = await visitor.rows("/api/v2/events?limit=100")
            if [fact["type"] for fact in facts].count("message_completed") == 5:
                return facts
            await asyncio.sleep(0.1)


async def everything_is_kept(client: httpx2.AsyncClient, visitor: Visitor) -> None:
    messages = await visitor.rows(f"/api/v2/conversations/{visitor.conversation}/messages")
    assert [each["role"] for each in messages] == ["user", "assistant"] * 4 + [
        "user",
        "user",
        "assistant",
    ]
    kept = [call for each in messages for call in each["tool_calls"]]
    shown = [call for call in visitor.data("tool") if call["status"] == "succeeded"]
    assert kept == shown
    (lead,) = await visitor.rows(f"/api/v2/leads?conversation_id={visitor.conversation}")
    assert (lead["name"], lead["email"]) == ("Ana Souza", "ana@exemplo.com.br")
    assert (lead["document"], lead["document_type"]) == ("52998224725", "cpf")
    assert (lead["consent"]["text"], lead["is_complete"]) == (CONSENT, True)
    assert lead["fields"] == {"interesse": FORMULA}
    (submission,) = await visitor.rows("/api/v2/forms/submissions")
    assert submission["values"] == {"quando": "2026-12-24"}
    facts = await every_fact(visitor)
    types = [fact["type"] for fact in facts]
    for one in ("conversation_started", "lead_captured", "form_submitted", EVENT):
        assert types.count(one) == 1, one
    assert (types.count("message_received"), types.count("message_completed")) == (5, 5)
    (told,) = [fact["data"] for fact in facts if fact["type"] == EVENT]
    assert told["payload"] == {"obs": FORMULA}
    (captured,) = [fact["data"] for fact in facts if fact["type"] == "lead_captured"]
    assert captured["fields"] == {"interesse": FORMULA}
    sheet = (await client.get("/api/v2/leads/export")).content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(sheet, newline=""))
    assert (row["fields.interesse"], row["email"]) == (f"'{FORMULA}", "ana@exemplo.com.br")
