"""Runs over a scripted model: started, cut, resumed; frames read as they came over the wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pydantic import SecretStr

from app.core.settings import Settings
from tests.conftest import serving
from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    USAGE,
    CompletionsServer,
    Exchange,
    completions_server,
    delta,
    finish,
)
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import an_agent, asking

WORDS = ["Olá", ", João", " 😀", " o prazo", " é de", " 8 dias", " úteis", "."]
MODEL = "openai/test"


async def slowly(exchange: Exchange) -> None:
    """An answer of eight pieces, ten milliseconds apart."""
    await exchange.send(STREAM_HEAD)
    for word in WORDS:
        await asyncio.sleep(0.01)
        await exchange.send(delta(word))
    await exchange.send(finish(), USAGE, DONE)


@dataclass
class Endless:
    """An answer that goes on until its connection is closed; counts what was taken of it."""

    sent: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    pause_s: float = 0.02

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD)
        try:
            while True:
                await exchange.send(delta("pedaço "))
                self.sent += 1
                await asyncio.sleep(self.pause_s)
        finally:
            self.closed.set()


@dataclass
class Stage:
    """A service over a scripted model, an agent and a client."""

    client: httpx2.AsyncClient
    agent: str
    server: CompletionsServer

    @property
    def path(self) -> str:
        return f"/api/v2/agents/{self.agent}/chat"

    async def frames(self, *, key: str | None = None, **fields: Any) -> list[bytes]:
        """The frames of a new chat, to its end."""
        headers = {"Idempotency-Key": key} if key else {}
        body = asking("Oi", **fields)
        async with self.client.stream(
            "POST", f"{self.path}/stream", json=body, headers=headers
        ) as answer:
            assert answer.status_code == 200, await answer.aread()
            return await FrameReader(answer).take()

    async def begin(self, count: int, **fields: Any) -> list[bytes]:
        """The first frames of a new chat; then its connection is cut."""
        async with self.client.stream(
            "POST", f"{self.path}/stream", json=asking("Oi", **fields)
        ) as answer:
            return await FrameReader(answer).take(count)

    async def resume(self, run_id: str, after: int, count: int | None = None) -> list[bytes]:
        return await resume(self.client, self.path, run_id, after, count)

    async def run(self, run_id: str) -> dict[str, Any]:
        return (await self.client.get(f"{self.path}/runs/{run_id}")).json()

    async def ended(self, run_id: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while (run := await self.run(run_id))["status"] == "running":
                await asyncio.sleep(0.02)
        return run


async def resume(
    client: httpx2.AsyncClient, path: str, run_id: str, after: int, count: int | None = None
) -> list[bytes]:
    """The frames after that number, to the end or so many."""
    headers = {"Last-Event-ID": str(after)}
    async with client.stream("GET", f"{path}/runs/{run_id}/stream", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        return await FrameReader(answer).take(count)


class FrameReader:
    """Frames as they come, without the comments between them."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._chunks = answer.aiter_raw()
        self._rest = b""
        self._ready: list[bytes] = []

    async def take(self, count: int | None = None) -> list[bytes]:
        """So many frames, or all to the end."""
        while count is None or len(self._ready) < count:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                break
            *whole, self._rest = (self._rest + chunk).split(b"\n\n")
            self._ready += [frame for frame in whole if not frame.startswith(b":")]
        taken, self._ready = self._ready[:count], self._ready[len(self._ready[:count]) :]
        return taken


def data_of(frame: bytes) -> dict[str, Any]:
    """The whole envelope."""
    return json.loads(frame.split(b"\ndata: ")[1])


def number_of(frame: bytes) -> int:
    return int(frame.split(b"\n")[0].removeprefix(b"id: "))


def name_of(frame: bytes) -> str:
    return frame.split(b"\n")[1].removeprefix(b"event: ").decode()


@asynccontextmanager
async def over(settings: Settings, *scripts: Any) -> AsyncIterator[Stage]:
    """A service whose model answers by these scripts."""
    async with completions_server(*scripts) as server:
        variables = {
            "OPENAI_API_KEY": SecretStr("sk-test"),
            "OPENAI_BASE_URL": SecretStr(server.url),
        }
        wired = settings.model_copy(update={"provider_variables": variables})
        async with serving(wired) as url:
            key = (settings.data_dir / "api_key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(
                verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=30
            ) as client:
                agent = await an_agent(client, model_id=MODEL)
                yield Stage(client, agent["id"], server)
