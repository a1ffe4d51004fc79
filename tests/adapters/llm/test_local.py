"""The keyless model: quotes what answers, refuses what the passages do not say."""

import pytest

from app.adapters.llm import PROVIDERS
from app.adapters.llm.local import compose
from app.core.settings import Settings
from app.ports.llm import ChatRequest, Conduct, Finished, Message, Passage, TextDelta

DELIVERY = """## Entrega

O prazo de entrega para o Sudeste é de 3 dias úteis. Para o Norte, o prazo é de 12 dias úteis.

| Região | Prazo | Frete |
|---|---|---|
| Nordeste | 8 dias úteis | R$ 27,90 |
| Sul | 4 dias úteis | R$ 19,90 |
"""
RETURNS = """## Trocas e devoluções

As devoluções são aceitas em até 7 dias corridos. A troca por outra cor vai até 30 dias.

- O reembolso no cartão aparece em até duas faturas.
- Produtos personalizados não podem ser trocados.
"""
HOURS = """## Horário

- Segunda a sexta: das 9h às 18h
- Sábado: das 9h às 13h
"""


def asked(question, *contents, language="pt-BR", score=0.8):
    passages = tuple(
        Passage(n, "politicas.md", text.splitlines()[0].strip("# "), text, score)
        for n, text in enumerate(contents, 1)
    )
    messages = (Message("user", question),)
    return ChatRequest(
        model="local", messages=messages, question=question, passages=passages, language=language
    )


@pytest.mark.parametrize(
    ("question", "answer", "index"),
    [
        ("Qual é o prazo de entrega para o Sudeste?", "3 dias úteis", 1),
        ("Qual o prazo para o Nordeste?", "8 dias úteis", 1),
        ("Quanto custa o frete para o Sul?", "R$ 19,90", 1),
        ("Posso fazer devolução?", "7 dias corridos", 2),
        ("Produtos personalizados podem ser trocados?", "não podem ser trocados", 2),
        ("Quando aparece o reembolso no cartão?", "duas faturas", 2),
        ("Que horas abre no sábado?", "das 9h às 13h", 3),
        ("QUAL O HORARIO DE SABADO", "das 9h às 13h", 3),
    ],
)
def test_the_sentence_that_answers_is_quoted_with_its_index(question, answer, index):
    said = compose(asked(question, DELIVERY, RETURNS, HOURS))
    assert answer in said
    assert f"[{index}]" in said.splitlines()[0] or f"[{index}]" in said


@pytest.mark.parametrize(
    "question",
    [
        "Vocês vendem passagens aéreas para Lisboa?",
        "Qual é a capital da França?",
        "Vocês contratam programadores?",
        "Tem estacionamento para caminhões?",
    ],
)
def test_what_the_passages_do_not_say_is_said_plainly(question):
    said = compose(asked(question, DELIVERY, RETURNS, HOURS, score=0.2))
    assert said.startswith("Não encontrei")
    assert "[" not in said


def test_without_passages_nothing_is_invented():
    assert compose(asked("Qual é o prazo?")).startswith("Não encontrei")
    assert compose(asked("What is it?", language="en")).startswith("I did not find")
    assert compose(asked("¿Cuál es?", language="es")).startswith("No encontré")


@pytest.mark.parametrize("greeting", ["Oi", "Olá!", "bom dia", "BOA NOITE"])
def test_a_greeting_is_greeted(greeting):
    assert compose(asked(greeting)).startswith("Olá")


@pytest.mark.anyio
async def test_the_stream_is_the_answer_in_pieces():
    request = asked("Qual é o prazo de entrega para o Sudeste?", DELIVERY)
    async with PROVIDERS["local"].open(Settings(), Conduct()) as provider:
        events = [event async for event in provider.stream(request)]
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert said == compose(request)
    assert events[-1] == Finished("stop")
