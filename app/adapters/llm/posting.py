"""Requests as an SDK writes them, their responses unread."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson

from app.adapters.llm.error_bodies import said
from app.adapters.llm.failures import Refused
from app.adapters.llm.transport.head import Head
from app.adapters.llm.transport.pool import Transport


class Scribe(httpx2.AsyncBaseTransport):
    """What an SDK is given to send its requests with: they come back to us as they were written."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """A response to nothing, which names the request."""
        return httpx2.Response(200, request=request)


class Poster:
    """One key's requests; key, address and headers are the SDK's business.

    The SDK writes each kind of request once. It takes 0.2 ms for one, more than everything else
    that a short answer needs of us, and only the bodies differ.
    """

    def __init__(self, client: Any, wire: Transport) -> None:
        self._client, self._wire = client, wire
        self._heads: dict[tuple[str, ...], Head] = {}

    @asynccontextmanager
    async def posted(
        self, path: str, body: Mapping[str, Any], **headers: str
    ) -> AsyncGenerator[httpx2.Response]:
        """The response, closed at the end.

        Raises:
            Refused: its status is not one of success.
            httpx2.TransportError: there is none.
        """
        head = self._heads.get((path, *headers.values())) or await self._write(path, headers)
        response = await self._wire.post(head, orjson.dumps(body))
        try:
            if not response.is_success:
                raise Refused(response.status_code, await said(response), response.headers)
            yield response
        finally:
            await response.aclose()

    async def _write(self, path: str, headers: Mapping[str, str]) -> Head:
        written: httpx2.Response = await self._client.post(
            path,
            cast_to=httpx2.Response,
            content=b"{}",
            options={"headers": {"content-type": "application/json", **headers}},
            stream=True,
        )
        head = self._heads[path, *headers.values()] = Head.of(written.request)
        return head
