"""Scripts of a chat-completions provider that fails, by the case of the fault matrix."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.completions_server import DONE, STREAM_HEAD, USAGE, Script, delta, finish

WHOLE = (delta("Olá, "), delta("João 😀"), finish(), USAGE, DONE)
TEXT = "Olá, João 😀"
HTML = b"<html><body>It works!</body></html>"
TOO_LONG = b'{"error": {"code": "context_length_exceeded", "message": "maximum context length"}}'
OVERLOADED = b'data: {"error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'


def sending(*parts: bytes) -> Script:
    async def script(exchange):
        await exchange.send(STREAM_HEAD, *parts)

    return script


def refusing(status: int, body: bytes = b"{}", *headers: str) -> Script:
    async def script(exchange):
        await exchange.answer(f"{status} Refused", body, "content-type: application/json", *headers)

    return script


def falling_silent_after(*parts: bytes) -> Script:
    async def script(exchange):
        await exchange.send(STREAM_HEAD, *parts)
        await exchange.until_closed()

    return script


def resetting_after(*parts: bytes) -> Script:
    async def script(exchange):
        await exchange.send(STREAM_HEAD, *parts)
        await asyncio.sleep(0.05)
        exchange.reset()

    return script


async def answering_with_a_page(exchange) -> None:
    await exchange.answer("200 OK", HTML, "content-type: text/html")


async def hanging_up(exchange) -> None:
    exchange.reset()


async def dripping(exchange) -> None:
    await exchange.send(STREAM_HEAD)
    while True:
        await exchange.send(delta("a"))
        await asyncio.sleep(0.1)


def half_a_tool_call() -> bytes:
    call = {"index": 0, "id": "c", "function": {"name": "x", "arguments": '{"a": '}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


@asynccontextmanager
async def without_tls() -> AsyncIterator[str]:
    """An https address at which somebody speaks plain HTTP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
