"""OpenAI's embeddings over HTTP: batches, retries, and answers that are checked."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app.adapters.embedder.answers import Answer, RetryLater, vectors_of
from app.core.settings import Settings, SettingsInvalid
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
    """The server as the environment sets it up; connections are made when they are needed.

    Raises:
        SettingsInvalid: its address or its key is none.
    """
    variable = server.name.upper()
    key = settings.provider_variable(f"{variable}_API_KEY")
    given = settings.provider_variable(f"{variable}_BASE_URL")
    address = (given or server.base_url or "").rstrip("/")
    if not address or (key is None and server.base_url is not None):
        yield RemoteEmbedder(server, None)
        return
    if not urlsplit(address).path:
        address += server.default_path
    try:
        url, headers = httpx2.URL(address), httpx2.Headers(_credentials(key))
    except (httpx2.InvalidURL, UnicodeEncodeError):
        raise SettingsInvalid(
            f"{variable}_BASE_URL must be an address, and {variable}_API_KEY of ASCII letters,"
            " digits and signs."
        ) from None
    embedder = RemoteEmbedder(server, partial(_client, url, headers))
    try:
        yield embedder
    finally:
        await embedder.close()


def _credentials(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def _client(url: httpx2.URL, headers: httpx2.Headers) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
        verify=_trust(),
        trust_env=False,
        follow_redirects=False,
    )


# Reading the system's certificates takes 20 ms: once for all servers.
_trust: Callable[[], SSLContext] = cache(partial(httpx2.create_ssl_context, trust_env=False))


class RemoteEmbedder:
    """One server; without what makes its client it is not set up."""

    def __init__(self, server: Server, connect: Callable[[], httpx2.AsyncClient] | None) -> None:
        self._server = server
        self._connect = connect
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def is_configured(self) -> bool:
        return self._connect is not None

    async def prepare(self) -> None:
        if self._connect is not None:
            await self._client(self._connect)

    async def close(self) -> None:
        """Close its connections."""
        if self._http is not None:
            await self._http.aclose()

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
        assert self._connect is not None, "asked before it was set up"
        # Third parties do not all know base64, which the SDK asks for.
        body: dict[str, Any] = {"model": model, "input": batch, "encoding_format": "float"}
        try:
            http = self._http or await self._client(self._connect)
            response = await http.post("embeddings", json=body)
        except (httpx2.HTTPError, OSError) as error:
            raise RetryLater("could not be reached.") from error
        answer = Answer(response.status_code, response.headers, response.content)
        return vectors_of(answer, len(batch), server=self.name)

    async def _client(self, connect: Callable[[], httpx2.AsyncClient]) -> httpx2.AsyncClient:
        async with self._opening:
            if self._http is None:
                # What it is made of takes 0.1 s to load.
                self._http = await asyncio.to_thread(connect)
            return self._http


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
