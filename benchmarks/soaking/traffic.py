"""One of everything that clients do, again and again, as many as do not know of each other."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

V2 = "/api/v2"
PAUSE_S = 0.2
TEXT = (
    "# Entrega\n\nO prazo é de {days} dias úteis para o Nordeste. O frete é grátis acima de R$ 299."
)


@dataclass
class Traffic:
    """What was done, by name, and what was not answered as it must be."""

    client: httpx2.AsyncClient
    agent: str
    base: str
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    async def go_on(self, name: str, act: Callable[["Traffic"], Awaitable[Any]]) -> None:
        """Do it until cancelled."""
        while True:
            try:
                await act(self)
                self.done[name] += 1
            except (httpx2.HTTPError, KeyError) as error:
                self.failed[f"{name}: {error!r}"[:200]] += 1
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_S))

    async def call(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.client.request(method, V2 + path, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def stream(self, method: str, path: str, lines: int = 0, **options: Any) -> list[str]:
        """The lines of a stream, or the first of them: then its client leaves."""
        found: list[str] = []
        async with self.client.stream(method, V2 + path, **options) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                found.append(line)
                if lines and len(found) >= lines:
                    break
        return found


def _asked() -> dict[str, Any]:
    return {"json": {"messages": [{"role": "user", "content": "Qual é o prazo de entrega?"}]}}


def _run_of(lines: list[str]) -> str:
    data = next(line for line in lines if '"run_id":"' in line)
    return data.partition('"run_id":"')[2].partition('"')[0]


async def chat(traffic: Traffic) -> None:
    """A whole answer, in the same conversation again, and the conversation deleted."""
    path = f"/agents/{traffic.agent}/chat"
    answer = await traffic.call("POST", path, **_asked())
    body = _asked()["json"] | {"conversation_id": answer["conversation_id"]}
    await traffic.call("POST", path, json=body)
    if random.random() < 0.5:
        await traffic.call("DELETE", f"/conversations/{answer['conversation_id']}")


async def resumed(traffic: Traffic) -> None:
    """A stream that is left after some events and read to its end elsewhere."""
    path = f"/agents/{traffic.agent}/chat"
    lines = await traffic.stream("POST", f"{path}/stream", lines=20, **_asked())
    number = max(int(line[4:]) for line in lines if line.startswith("id: "))
    headers = {"Last-Event-ID": str(number - 1)}
    await traffic.stream("GET", f"{path}/runs/{_run_of(lines)}/stream", headers=headers)


async def cancelled(traffic: Traffic) -> None:
    """A stream that is stopped."""
    path = f"/agents/{traffic.agent}/chat"
    lines = await traffic.stream("POST", f"{path}/stream", lines=12, **_asked())
    await traffic.call("POST", f"{path}/runs/{_run_of(lines)}/cancel")


async def watched(traffic: Traffic) -> None:
    """A dashboard that is looked at for a moment."""
    await traffic.stream("GET", "/events/dashboard", lines=random.randint(6, 60))


async def taught(traffic: Traffic) -> None:
    """A document that is indexed, found and deleted."""
    body = {"knowledge_base_id": traffic.base, "name": "prazo.md"}
    text = TEXT.format(days=random.randint(2, 10**9))
    made = await traffic.call("POST", "/knowledge/documents", json=body | {"text": text})
    path = f"/knowledge/documents/{made['id']}"
    while (await traffic.call("GET", path))["status"] not in ("ready", "failed"):
        await asyncio.sleep(0.1)
    question = {"query": "prazo de entrega", "knowledge_base_ids": [traffic.base]}
    await traffic.call("POST", "/knowledge/search", json=question)
    await traffic.call("DELETE", path)


async def sold(traffic: Traffic) -> None:
    """A lead, which webhooks are told of, and the figures."""
    email = f"ana{random.randrange(10**12)}@example.com"
    made = await traffic.call("POST", "/leads", json={"name": "Ana", "email": email})
    await traffic.call("GET", "/analytics/dashboard", params={"period": "day"})
    await traffic.call("DELETE", f"/leads/{made['id']}")


async def read(traffic: Traffic) -> None:
    """Lists, and what is refused."""
    for path in ("/agents", "/conversations", "/leads", "/events", "/webhooks", "/settings"):
        await traffic.call("GET", path)
    for path, status in (
        ("/agents/nobody", 422),
        ("/leads/01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77", 404),
    ):
        refused = await traffic.client.get(V2 + path)
        if refused.status_code not in (status, 404):
            traffic.failed[f"{path} {refused.status_code}"] += 1


KINDS: dict[str, tuple[int, Callable[[Traffic], Awaitable[None]]]] = {
    "chats": (4, chat),
    "resumed streams": (3, resumed),
    "cancelled streams": (2, cancelled),
    "dashboards": (3, watched),
    "documents": (1, taught),
    "leads": (2, sold),
    "reads": (2, read),
}
