"""Reranking over HTTP, by the request and the answer that Cohere, Jina, vLLM and others share."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import orjson

from app.core.settings import Settings
from app.ports.reranker import Reranker, RerankerAdapter, RerankerFailed, RerankerPaused

CONNECT_S = 1.0
# Somebody waits for the answer: who did not give it just now is not asked at each search.
LEFT_ALONE_S = 10.0
MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A server that reranks."""

    name: str
    base_url: str | None
    default_path: str = ""


def adapter(name: str, base_url: str | None, *, default_path: str = "") -> RerankerAdapter:
    """A server as the registry lists it; one without an address is set up by its variable."""
    return RerankerAdapter(name, partial(_open, Server(name, base_url, default_path)))


@asynccontextmanager
async def _open(server: Server, settings: Settings) -> AsyncGenerator[Reranker]:
    variable = server.name.upper()
    key = settings.provider_variable(f"{variable}_API_KEY")
    given = settings.provider_variable(f"{variable}_BASE_URL")
    address = (given or server.base_url or "").rstrip("/")
    if not address or (key is None and server.base_url is not None):
        yield RemoteReranker(server.name, None)
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
        yield RemoteReranker(server.name, http)


class RemoteReranker:
    """One server; without a client it is not set up."""

    def __init__(self, name: str, http: httpx2.AsyncClient | None) -> None:
        self.name = name
        self._http = http
        self._left_alone_until = -math.inf

    @property
    def is_configured(self) -> bool:
        return self._http is not None

    async def rate(
        self, model: str, question: str, passages: Sequence[str], *, total_s: float
    ) -> list[float]:
        if not passages:
            return []
        if time.monotonic() < self._left_alone_until:
            raise RerankerPaused(f"{self.name} did not answer just now.")
        try:
            async with asyncio.timeout(total_s):
                return await self._asked(model, question, list(passages))
        except (TimeoutError, RerankerFailed) as error:
            self._left_alone_until = time.monotonic() + LEFT_ALONE_S
            if isinstance(error, TimeoutError):
                raise RerankerFailed(f"{self.name} did not answer in time.") from None
            raise

    async def _asked(self, model: str, question: str, passages: list[str]) -> list[float]:
        assert self._http is not None, "asked before it was set up"
        body: dict[str, Any] = {
            "model": model,
            "query": question,
            "documents": passages,
            "top_n": len(passages),
        }
        try:
            response = await self._http.post("rerank", json=body)
        except (httpx2.HTTPError, OSError) as error:
            raise RerankerFailed(f"{self.name} could not be reached.") from error
        if response.status_code != 200:
            raise RerankerFailed(f"{self.name} answered {response.status_code}.")
        return _ratings(response.content, len(passages), server=self.name)


def _ratings(content: bytes, count: int, *, server: str) -> list[float]:
    try:
        if len(content) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        rows = cast("list[Any]", orjson.loads(content)["results"])
        found = {int(row["index"]): float(row["relevance_score"]) for row in rows}
        ratings = [found[place] for place in range(count)]
    except (ValueError, KeyError, TypeError) as error:
        raise RerankerFailed(f"{server} answered something that rates nothing.") from error
    if len(rows) != count or not all(map(math.isfinite, ratings)):
        raise RerankerFailed(f"{server} answered with ratings that are none.")
    return ratings
