"""A receiver of webhooks: a small HTTP server on loopback that keeps what arrives as it came."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arrived:
    """One request."""

    headers: dict[str, str]
    body: bytes
    target: str
    at_s: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


# Given the request and where to write; what it returns is written as the answer.
Behaviour = Callable[[Arrived, asyncio.StreamWriter], Awaitable[bytes]]


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    async def behave(_arrived: Arrived, _writer: asyncio.StreamWriter) -> bytes:
        return answer(status, body, **headers)

    return behave


async def hanging(_arrived: Arrived, _writer: asyncio.StreamWriter) -> bytes:
    await asyncio.sleep(3600)
    return b""


@dataclass
class Receiver:
    """What has arrived so far; `behave` may be changed at any time."""

    port: int = 0
    behave: Behaviour = field(default_factory=lambda: answering(204))
    arrived: list[Arrived] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def bodies(self) -> list[bytes]:
        return [one.body for one in self.arrived]

    async def wait_for(self, count: int, *, within_s: float = 10) -> list[Arrived]:
        """Return once so many have arrived."""
        async with asyncio.timeout(within_s):
            while len(self.arrived) < count:
                await asyncio.sleep(0.005)
        return self.arrived

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                arrived = Arrived(headers, body, head[0].split(" ")[1])
                self.arrived.append(arrived)
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                try:
                    writer.write(await self.behave(arrived, writer))
                    await writer.drain()
                finally:
                    self.under_way -= 1
        writer.close()


@asynccontextmanager
async def receiving(behave: Behaviour | None = None) -> AsyncIterator[Receiver]:
    """A receiver at work; connections that hang are cut at the end."""
    receiver = Receiver()
    if behave is not None:
        receiver.behave = behave
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
