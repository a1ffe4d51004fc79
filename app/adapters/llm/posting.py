"""A request by an SDK's own path for addresses that it has no method for, its response unread."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson


@asynccontextmanager
async def posted(
    client: Any, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AsyncGenerator[httpx2.Response]:
    """The response, closed at the end; key, address and failures are the SDK's business.

    Its typed methods check and copy each parameter first, which takes a quarter of the time of a
    short answer.
    """
    response: httpx2.Response = await client.post(
        path,
        cast_to=httpx2.Response,
        content=orjson.dumps(body),
        options={"headers": {"content-type": "application/json", **headers}},
        stream=True,
    )
    try:
        yield response
    finally:
        await response.aclose()
