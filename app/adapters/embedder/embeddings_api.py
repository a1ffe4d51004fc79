"""OpenAI's embeddings over HTTP: batches, retries, and answers that are checked."""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app.adapters.embedder.answers import Answer, RetryLater, vectors_of
from app.core.settings import Settings
from app.ports.embedder import (
    Embedder,
    EmbedderAdapter,
    EmbedderRefused,
    EmbedderUnavailable,
    Purpose,
    Vector,
)

ATTEMPTS = 4
PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
CONNECT_S = 5.0
# Texts of one request in all; more than any chunk has, and far below what servers take.
BATCH_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Server:
    """A server that speaks OpenAI's embeddings."""

    name: str
    base_url: str | None
    batch: int
    default_path: str = ""


def adapter(
    name: str, base_url: str | None, *, batch: int, default_path: str = ""
) -> EmbedderAdapter:
    """A server as the registry lists it; one without an address is set up by its variable."""
    server = Server(name, base_url, batch, default_path)
    return EmbedderAdapter(name, partial(_open, server))


@asynccontextmanager
async def _open(server: Server, settings: Settings) -> AsyncGenerator[Embedder]:
    variable = server.name.upper()
    key = settings.provider_variable(f"{variable}_API_KEY")
    given = settings.provider_variable(f"{variable}_BASE_URL")
    address = (given or server.base_url or "").rstrip("/")
    if not address or (key is None and server.base_url is not None):
        yield RemoteEmbedder(server, None)
        return
    if not urlsplit(address).path:
        address += server.default_path
    async with httpx2.AsyncClient(
        base_url=address,
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
        trust_env=False,
        follow_redirects=False,
    ) as http:
        yield RemoteEmbedder(server, http)


class RemoteEmbedder:
    """One server; without a client it is not set up."""

    def __init__(self, server: Server, http: httpx2.AsyncClient | None) -> None:
        self._server = server
        self._http = http

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def is_configured(self) -> bool:
        return self._http is not None

    async def embed(
        self, model: str, texts: Sequence[str], *, purpose: Purpose, total_s: float
    ) -> list[Vector]:
        del purpose  # this API does not ask for it
        vectors: list[Vector] = []
        try:
            async with asyncio.timeout(total_s):
                for batch in _batches(texts, self._server.batch):
                    vectors += await self._patiently(model, batch)
        except TimeoutError:
            raise EmbedderUnavailable(f"{self.name} did not answer in time.") from None
        if len({len(vector) for vector in vectors}) > 1:
            raise EmbedderRefused(f"{self.name} answered with vectors of several lengths.")
        return vectors

    async def _patiently(self, model: str, batch: list[str]) -> list[Vector]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(model, batch)
            except RetryLater as later:
                pause = later.after_s or PAUSE_S * 2 ** (attempt - 1) * (1 + random.random())
                if attempt == ATTEMPTS or pause > LONGEST_PAUSE_S:
                    raise EmbedderUnavailable(f"{self.name} {later}") from later
                await asyncio.sleep(pause)
        raise AssertionError

    async def _once(self, model: str, batch: list[str]) -> list[Vector]:
        assert self._http is not None, "asked before it was set up"
        # Third parties do not all know base64, which the SDK asks for.
        body: dict[str, Any] = {"model": model, "input": batch, "encoding_format": "float"}
        try:
            response = await self._http.post("embeddings", json=body)
        except (httpx2.HTTPError, OSError) as error:
            raise RetryLater("could not be reached.") from error
        answer = Answer(response.status_code, response.headers, response.content)
        return vectors_of(answer, len(batch), server=self.name)


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == most or chars + len(text) > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch
