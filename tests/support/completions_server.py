"""A server on the loopback that answers requests by script: whole answers, pieces, faults."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[["Exchange"], Awaitable[None]]
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def delta(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()


def finish(reason: str = "stop") -> bytes:
    choice = {"index": 0, "delta": {}, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
DONE = b"data: [DONE]\n\n"


@dataclass
class Exchange:
    """One request as a script answers it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: dict[str, Any]
    headers: str
    stays_open: bool = False

    async def send_chunked(self, *parts: bytes) -> None:
        """A whole response that leaves the connection open for the next request."""
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
        await self.send(CHUNKED_HEAD, *chunks, b"0\r\n\r\n")
        self.stays_open = True

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self, status: str, body: bytes, *headers: str) -> None:
        lines = [
            f"HTTP/1.1 {status}",
            f"content-length: {len(body)}",
            "connection: close",
            *headers,
        ]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def until_closed(self) -> None:
        while await self.reader.read(1024):
            pass

    async def is_closed_within(self, seconds: float) -> bool:
        """Waits for the other side to close, and no longer than that."""
        try:
            return not await asyncio.wait_for(self.reader.read(1), seconds)
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@dataclass
class CompletionsServer:
    """Where it listens and what it was asked."""

    root: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """The base address of chat completions."""
        return f"{self.root}/v1"


@asynccontextmanager
async def completions_server(*scripts: Script) -> AsyncIterator[CompletionsServer]:
    """Answers the first request by the first script and so on; the last one goes on for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while await answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        script = scripts[min(len(server.requests), len(scripts) - 1)]
        server.requests.append(body)
        server.headers.append(head)
        exchange = Exchange(reader, writer, body, head)
        await script(exchange)
        return exchange.stays_open

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server = CompletionsServer(f"http://127.0.0.1:{port}")
    try:
        yield server
    finally:
        listener.close()
