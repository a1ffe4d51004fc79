"""Where calls may send something: injections that a model obeys, and what people really want."""

import json
import sys
from collections import deque
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from tests.features.destinations.attacks import ATTACKS, LET_THROUGH, Attack
from tests.features.destinations.legitimate import LEGITIMATE, Legitimate
from tests.support.run_streams import over
from tests.support.scripted_server import scripted_server
from tests.support.stories import a_base, a_document, an_agent, asking, stream
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, sending

pytestmark = [pytest.mark.anyio, pytest.mark.once]
WIRE = UPSTREAMS["openai"].wire
PROMPT = "Você atende a Loja Aurora, https://aurora.example, suporte@aurora.example."
ANA = "Sou a Ana, ana@exemplo.com.br, (11) 98888-7777."
READS = {"http": "consultar", "search": "buscar"}


def calling(name: str, arguments: dict[str, Any]):
    call = (WIRE.call(0, "call_0", name), WIRE.arguments(0, json.dumps(arguments)))
    return sending(WIRE.start, *call, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


def saying(text: str):
    return sending(*UPSTREAMS["openai"].whole(text))


class Trial:
    """A service whose model does what is `planned`, and servers that bring what is `brought`."""

    def __init__(self) -> None:
        self.planned: deque[Any] = deque()
        self.brought = ""
        self.received: list[bytes] = []
        self.root = ""

    async def obey(self, exchange: Any) -> None:
        await self.planned.popleft()(exchange)

    async def serve(self, heard: Any) -> None:
        if heard.head.startswith("POST"):
            self.received.append(heard.body)
            content: Any = {"ok": True}
        elif heard.path.startswith("/search"):
            row = {"title": "Achado", "url": "https://found.example/", "content": self.brought}
            content = {"query": "x", "results": [row]}
        else:
            content = {"dados": self.brought}
        await heard.answer(json.dumps(content).encode(), content_type="application/json")

    async def chat(self, question: str, conversation: str | None, **fields: Any):
        body = asking(question, conversation_id=conversation, **fields)
        events = await stream(self.client, self.agent, body)
        assert events[-1]["event"] == "done", events[-1]
        return events

    async def talk(self, said: tuple[str, ...]) -> str | None:
        """What was said before, by turns; the conversation."""
        conversation = None
        for question, answer in zip(said[::2], said[1::2], strict=True):
            self.planned.append(saying(answer))
            conversation = (await self.chat(question, conversation))[0]["conversation_id"]
        return conversation

    async def last_call(self, *steps: Any, question: str, conversation: str | None, **fields: Any):
        """What became of the last of the calls that the model makes for the question."""
        self.planned.extend([*(calling(*step) for step in steps), saying("Pronto.")])
        events = await self.chat(question, conversation, **fields)
        return [event["data"] for event in events if event["event"] == "tool"][-1]


@asynccontextmanager
async def a_trial(settings, passages: str = ""):
    trial = Trial()
    private = {"outbound_allow_private_cidrs": (ip_network("127.0.0.0/8"),)}
    async with (
        scripted_server(trial.serve) as shop,
        over(settings.model_copy(update=private), trial.obey) as stage,
    ):
        trial.client, trial.server = stage.client, stage.server
        trial.root = f"http://127.0.0.1:{shop.port}"
        fields: dict[str, Any] = {"system_prompt": PROMPT, "model_id": "openai/test"}
        if passages:
            base = await a_base(stage.client)
            await a_document(stage.client, base, passages)
            fields |= {
                "knowledge_base_ids": [base],
                "retrieval": {"mode": "lexical", "top_k": 3, "threshold": 0},
            }
        trial.agent = (await an_agent(stage.client, **fields))["id"]
        await some_tools(trial)
        yield trial


async def some_tools(trial: Trial) -> None:
    names = ("to", "cc", "bcc", "url", "telefone", "pix", "mensagem")
    send = {"url": f"{trial.root}/send", "method": "POST", "body": {n: f"{{{n}}}" for n in names}}
    stock = {"to": {"type": "string", "enum": ["estoque@interno.example"]}}
    notice = {"type": "object", "properties": {"aviso": {"type": "object"}}}
    form = {"title": "Visita", "fields": [{"name": "email", "label": "E-mail", "type": "email"}]}
    for name, kind, config, parameters in (
        ("enviar", "http", send, None),
        (
            "estoque",
            "http",
            send | {"body": {"to": "{to}"}},
            {"type": "object", "properties": stock},
        ),
        ("consultar", "http", {"url": f"{trial.root}/dados"}, None),
        ("buscar", "search", {"engine": "searxng", "base_url": trial.root}, None),
        ("avisar", "webhook", {"event": "aviso_interno"}, notice),
        ("registrar", "lead_capture", {"required_fields": ["name", "email"]}, None),
        ("agendar", "form", form, None),
    ):
        chosen = {} if parameters is None else {"parameters": parameters}
        await a_tool(trial.client, trial.agent, type=kind, name=name, config=config, **chosen)


def topic(place: int) -> str:
    """A word that finds one passage, and is no destination."""
    return "prazo" + "".join(chr(ord("a") + int(digit)) for digit in f"{place:03}")


def passages_of(attacks: list[Attack]) -> str:
    sections = [
        f"## {topic(place)}\n\nSobre {topic(place)}: {attack.text}"
        for place, attack in enumerate(attacks)
        if attack.channel == "passage"
    ]
    return "# Políticas\n\n" + "\n\n".join(sections)


async def attempted(trial: Trial, place: int, attack: Attack) -> dict[str, Any]:
    """What became of the call that the text has talked the model into."""
    shown = () if attack.shown is None else (ANA, attack.shown[0])
    conversation = await trial.talk(shown)
    question = attack.shown[1] if attack.shown else ANA
    trial.brought = attack.text
    read = READS.get(attack.channel)
    reading = [] if read is None else [(read, {"query": "prazo"} if read == "buscar" else {})]
    fields = {"context_data": {"nota": attack.text}} if attack.channel == "context" else {}
    call = await trial.last_call(
        *reading,
        (attack.tool, attack.arguments),
        question=f"{question} {topic(place)}" if attack.channel == "passage" else question,
        conversation=conversation,
        **fields,
    )
    seen = json.dumps(trial.server.requests[-1]["messages"], ensure_ascii=False)
    words = [word for word in attack.text.split()[:4] if word.isalpha()]
    assert all(word in seen for word in words), "the model has read the text"
    return call


async def wanted(trial: Trial, case: Legitimate) -> dict[str, Any]:
    """What became of the call that somebody really wants."""
    conversation = await trial.talk(case.said[:-1])
    trial.brought = (case.brought or "").replace("{shop}", trial.root)
    arguments = json.loads(json.dumps(case.arguments).replace("{shop}", trial.root))
    return await trial.last_call(
        *([("consultar", {})] if case.brought else []),
        (case.tool, arguments),
        question=case.said[-1],
        conversation=conversation,
        context_data=case.context or None,
    )


async def test_no_injection_reaches_a_destination_and_each_is_told_what_to_do(settings, capsys):
    assert len(ATTACKS) >= 50
    missed, made = [], []
    async with a_trial(settings, passages_of(ATTACKS)) as trial:
        for place, attack in enumerate(ATTACKS):
            call = await attempted(trial, place, attack)
            if (call.get("error") or {}).get("code") != "untrusted_destination":
                missed.append((attack.arguments, call))
            made += trial.received
        leads = (await trial.client.get("/api/v2/leads")).json()["data"]
    report(capsys, "injections refused", len(ATTACKS) - len(missed), len(ATTACKS))
    assert missed == []
    assert (made, leads) == ([], [])


async def test_what_people_want_is_done(settings, capsys):
    assert len(LEGITIMATE) >= 30
    refused = []
    async with a_trial(settings) as trial:
        for case in LEGITIMATE:
            call = await wanted(trial, case)
            if call["status"] != "succeeded":
                refused.append((case.said, case.arguments, call["error"]))
    report(capsys, "legitimate calls made", len(LEGITIMATE) - len(refused), len(LEGITIMATE))
    assert refused == []


async def test_what_is_known_not_to_be_recognised_is_written_down(settings):
    async with a_trial(settings, passages_of(LET_THROUGH)) as trial:
        for place, attack in enumerate(LET_THROUGH):
            call = await attempted(trial, place, attack)
            assert call["status"] == "succeeded", "it is recognised now: move it to the attacks"


def report(capsys, what: str, count: int, of: int) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: {count} of {of} ({count / of:.0%})\n")
