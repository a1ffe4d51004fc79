"""What stands between a model and a client at the least: FastAPI, the openai SDK, nothing stored.

`/plain` writes a plain stream, `/sse` goes through sse-starlette, `/read` reads nothing.
BENCHMARK_UPSTREAM names the model's server.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel
from sse_starlette import EventSourceResponse


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Our settings would be loaded for it, and the relay start later than it needs to.
    upstream = os.environ["BENCHMARK_UPSTREAM"]  # noqa: TID251
    async with AsyncOpenAI(base_url=upstream, api_key="sk-none") as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=_lifespan)


class Chat(BaseModel):
    """A chat as OpenAI takes it."""

    model: str
    messages: list[dict[str, Any]]


async def _texts(body: Chat) -> AsyncIterator[str]:
    stream = await app.state.client.chat.completions.create(
        model=body.model, messages=body.messages, stream=True
    )
    async for part in stream:
        if part.choices and part.choices[0].delta.content:
            yield part.choices[0].delta.content


@app.post("/plain")
async def plain(body: Chat) -> StreamingResponse:
    """Each text as one event of a plain stream."""

    async def frames() -> AsyncIterator[str]:
        async for text in _texts(body):
            yield f"event: answer\ndata: {json.dumps({'content': text})}\n\n"
        yield "event: done\ndata: {}\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


@app.post("/sse")
async def sse(body: Chat) -> EventSourceResponse:
    """The same by sse-starlette."""

    async def events() -> AsyncIterator[dict[str, str]]:
        async for text in _texts(body):
            yield {"event": "answer", "data": json.dumps({"content": text})}
        yield {"event": "done", "data": "{}"}

    return EventSourceResponse(events())


@app.get("/read")
async def read() -> dict[str, str]:
    """The least that an answer takes."""
    return {"id": "none", "name": "Bench"}
