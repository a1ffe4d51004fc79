"""Traffic on a service, with a ledger of what the service has acknowledged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.core.ids import new_id
from tests.support.completions_server import DONE, STREAM_HEAD, USAGE, Exchange, delta, finish
from tests.support.stories import asking, text_of

TERMINAL = ("done", "error")
PIECES = 20
FLOOD = "enchente"
LETTERS = "abcdefghij"


async def echoing(exchange: Exchange) -> None:
    """A model that takes a second to say the question back, numbered, piece by piece.

    Asked for a flood, it says a hundred thousand letters as fast as it can.
    """
    question = exchange.body["messages"][-1]["content"]
    await exchange.send(STREAM_HEAD)
    if question == FLOOD:
        batch = b"".join(delta(letter) for letter in LETTERS * 1000)
        await exchange.send(*[batch] * 10, finish(), USAGE, DONE)
        return
    for number in range(PIECES):
        await exchange.send(delta(f"{number}:{question} "))
        await asyncio.sleep(0.05)
    await exchange.send(finish(), USAGE, DONE)


@dataclass
class Answered:
    """One request that was answered, how, and how fast."""

    what: str
    status: int
    took_s: float
    retry_after: str | None
    body: bytes


@dataclass
class Chat:
    """One chat as its client saw it."""

    question: str
    events: list[dict[str, Any]] = field(default_factory=list)
    status: int | None = None
    broken: str | None = None

    @property
    def text(self) -> str:
        return text_of(self.events)

    @property
    def terminal(self) -> list[str]:
        return [event["event"] for event in self.events if event["event"] in TERMINAL]


@dataclass
class Ledger:
    """What clients were told, in the order in which they were told."""

    answered: list[Answered] = field(default_factory=list)
    chats: list[Chat] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    """Names of the knowledge bases whose creation was acknowledged."""
    broken: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[Chat]:
        return [chat for chat in self.chats if chat.status == 200]

    def statuses(self) -> dict[int, int]:
        counted: dict[int, int] = {}
        for answer in self.answered:
            counted[answer.status] = counted.get(answer.status, 0) + 1
        return counted


class Load:
    """Clients of one service that go on until they are told to stop."""

    def __init__(self, client: httpx2.AsyncClient, agent_id: str, *, pause_s: float) -> None:
        self.ledger = Ledger()
        self.stop = asyncio.Event()
        self._client, self._agent_id, self._pause_s = client, agent_id, pause_s

    async def read(self) -> None:
        while not self.stop.is_set():
            await self._request("GET", "/api/v2/conversations?limit=5")
            await asyncio.sleep(self._pause_s)

    async def write(self) -> None:
        while not self.stop.is_set():
            name = new_id()
            status = await self._request("POST", "/api/v2/knowledge/bases", json={"name": name})
            if status == 201:
                self.ledger.bases.append(name)
            await asyncio.sleep(self._pause_s)

    async def live(self) -> None:
        while not self.stop.is_set():
            await self._request("GET", "/health/live")
            await asyncio.sleep(self._pause_s)

    async def chat(self) -> None:
        while not self.stop.is_set():
            await self.one_chat()
            await asyncio.sleep(self._pause_s)

    async def one_chat(self) -> Chat:
        chat = Chat(f"pergunta-{new_id()}")
        self.ledger.chats.append(chat)
        path = f"/api/v2/agents/{self._agent_id}/chat/stream"
        started_s = time.monotonic()
        try:
            async with self._client.stream("POST", path, json=asking(chat.question)) as answer:
                chat.status = answer.status_code
                if chat.status != 200:
                    self._note("POST chat", answer, started_s, await answer.aread())
                    return chat
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        chat.events.append(json.loads(line[6:]))
        except httpx2.HTTPError as error:
            chat.broken = repr(error)
            self.ledger.broken.append(f"chat: {error!r}")
        return chat

    async def _request(self, method: str, path: str, **options: Any) -> int | None:
        started_s = time.monotonic()
        try:
            answer = await self._client.request(method, path, **options)
        except httpx2.HTTPError as error:
            self.ledger.broken.append(f"{method} {path}: {error!r}")
            return None
        self._note(f"{method} {path}", answer, started_s, answer.content)
        return answer.status_code

    def _note(self, what: str, answer: httpx2.Response, started_s: float, body: bytes) -> None:
        took_s = time.monotonic() - started_s
        retry_after = answer.headers.get("retry-after")
        self.ledger.answered.append(Answered(what, answer.status_code, took_s, retry_after, body))


@asynccontextmanager
async def load_on(
    client: httpx2.AsyncClient,
    agent_id: str,
    *,
    chats: int = 4,
    readers: int = 2,
    writers: int = 2,
    pause_s: float = 0.05,
) -> AsyncIterator[Load]:
    """Traffic while the body runs; at its end every request has been answered or broken off."""
    load = Load(client, agent_id, pause_s=pause_s)
    async with asyncio.TaskGroup() as tasks:
        work = [load.chat] * chats + [load.read] * readers + [load.write] * writers + [load.live]
        for one in work:
            tasks.create_task(one())
        try:
            yield load
        finally:
            load.stop.set()
