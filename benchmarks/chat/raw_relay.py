"""The floor: straight from ASGI to the model's server over the service's own wire, nothing else.

No framework, no SDK, no validation, no frames of our own: what comes is handed on as it came.
BENCHMARK_UPSTREAM names the model's server.
"""

import ssl
from typing import Any

import httpx2

from app.adapters.llm.transport.head import Head
from app.adapters.llm.transport.pool import Transport
from app.core.settings import child_environment

_ADDRESS = child_environment()["BENCHMARK_UPSTREAM"] + "/chat/completions"
_HEADERS = [(b"content-type", b"text/event-stream")]
_HEAD = Head.of(httpx2.Request("POST", _ADDRESS, headers={"content-type": "application/json"}))
_wire = Transport(ssl.create_default_context(), max_connections=2000, kept=500)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Hand the body of each POST on, and what comes of it."""
    if scope["type"] != "http":
        return
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    if body:
        answer = (await _wire.post(_HEAD, body)).extensions["body"]
        while chunk := await answer.read():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await answer.aclose()
        end = b"event: done\ndata: {}\n\n"
        await send({"type": "http.response.body", "body": end, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
