"""Answers in the wire format of OpenAI's embeddings; what means the same has the same vector."""

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.settings import Settings
from tests.support.completions_server import CompletionsServer, Exchange, Script, completions_server

DIMENSIONS = 64
SAME = {"cachorros": "cão", "cachorro": "cão", "bichos": "cão", "dinheiro": "reembolso"}


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    numbers = [0.001] * dimensions
    for word in re.findall(r"\w{3,}", text.lower()):
        numbers[zlib.crc32(SAME.get(word, word).encode()) % dimensions] += 1
    return numbers


def embedding(dimensions: int = DIMENSIONS) -> Script:
    async def script(exchange: Exchange) -> None:
        rows = [
            {"object": "embedding", "index": index, "embedding": vector(text, dimensions)}
            for index, text in enumerate(exchange.body["input"])
        ]
        body = {"object": "list", "model": exchange.body["model"], "data": rows[::-1]}
        await exchange.answer("200 OK", json.dumps(body).encode(), "content-type: application/json")

    return script


def saying(status: str, body: str = "{}", *headers: str) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body.encode(), *headers)

    return script


async def silent(exchange: Exchange) -> None:
    await exchange.until_closed()


class Switchable:
    """A server whose script can be changed while it runs."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.server: CompletionsServer

    async def __call__(self, exchange: Exchange) -> None:
        await self.script(exchange)


@asynccontextmanager
async def switchable(script: Script) -> AsyncIterator[Switchable]:
    switch = Switchable(script)
    async with completions_server(switch) as server:
        switch.server = server
        yield switch


def with_embedder(settings: Settings, url: str, model: str | None = "compatible/m") -> Settings:
    variables = {"COMPATIBLE_BASE_URL": url}
    return settings.model_validate(
        settings.model_dump() | {"provider_variables": variables, "embedding_model_id": model}
    )


async def until(check, seconds: float = 20):
    async with asyncio.timeout(seconds):
        while not (found := await check()):
            await asyncio.sleep(0.05)
    return found
