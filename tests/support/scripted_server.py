"""A server on a socket of one's own that answers exactly the bytes that a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[["Conversation"], Awaitable[None]]


@dataclass
class Conversation:
    """One request that arrived, and how to answer it."""

    head: str
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def path(self) -> str:
        return self.head.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        pairs = (line.split(": ", 1) for line in self.head.splitlines()[1:] if line)
        return {name.lower(): value for name, value in pairs}

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"", *, status: int = 200, **headers: str) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *lines]
        await self.say("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def hang_up(self) -> None:
        self.writer.transport.abort()


@dataclass
class ScriptedServer:
    """What it heard. `connections` counts; `names` are those that TLS clients asked for."""

    port: int = 0
    connections: int = 0
    heard: list[Conversation] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def scripted_server(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ScriptedServer]:
    """Serves until the end of the block; a script may close its connection or keep it open."""
    server = ScriptedServer()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                heard = Conversation(head, b"", writer)
                length = int(heard.headers.get("content-length", "0"))
                heard.body = await reader.readexactly(length)
                server.heard.append(heard)
                await script(heard)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    if tls is not None:
        tls.sni_callback = lambda _, name, __: server.names.append(name)
    listening = await asyncio.start_server(converse, host, port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
