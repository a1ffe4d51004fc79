"""What many tests begin with: agents, documents that are ready, chats read to their end."""

import asyncio
import json
from typing import Any

import httpx2

POLICY = """# Loja Teste

## Entrega

O prazo de entrega para o Nordeste é de 8 dias úteis. O frete é grátis acima de R$ 299,00.

## Trocas e devoluções

As devoluções são aceitas em até 30 dias, com a nota fiscal.

## Horário

- Segunda a sexta: das 9h às 18h
- Sábado: das 9h às 13h
"""


async def a_base(client: httpx2.AsyncClient, name: str = "Políticas", **fields: Any) -> str:
    answer = await client.post("/api/v2/knowledge/bases", json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def a_document(client: httpx2.AsyncClient, base: str, text: str = POLICY) -> dict[str, Any]:
    """A document that has been indexed."""
    body = {"knowledge_base_id": base, "name": "politicas.md", "text": text}
    answer = await client.post("/api/v2/knowledge/documents", json=body)
    assert answer.status_code == 202, answer.text
    return await indexed(client, answer.json()["id"])


async def indexed(client: httpx2.AsyncClient, document_id: str) -> dict[str, Any]:
    async with asyncio.timeout(45):
        while True:
            answer = await client.get(f"/api/v2/knowledge/documents/{document_id}")
            if answer.json()["status"] in ("ready", "failed"):
                return answer.json()
            await asyncio.sleep(0.05)


async def an_agent(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(
        "/api/v2/agents", json={"name": "Ana", "model_id": "local", **fields}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def a_taught_agent(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    base = await a_base(client)
    await a_document(client, base)
    return await an_agent(client, knowledge_base_ids=[base], **fields)


def asking(question: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}], **fields}


async def stream(
    client: httpx2.AsyncClient, agent_id: str, body: dict[str, Any]
) -> list[dict[str, Any]]:
    """All events as the simplest client reads them: lines of unbuffered chunks."""
    events = []
    path = f"/api/v2/agents/{agent_id}/chat/stream"
    async with client.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for chunk in answer.aiter_raw():
            for line in chunk.decode("ascii").split("\n"):
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
    return events


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["data"] for event in events if event["event"] == "answer")
