"""A TCP relay whose faults are switched while connections run."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Upstream = Callable[[], Awaitable[Pair]]
CHUNK = 64 * 1024
# SO_LINGER on with 0 s: closing sends RST instead of FIN.
LINGER = struct.pack("ii", 1, 0)


def tcp(port: int) -> Upstream:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def unix(path: str) -> Upstream:
    return lambda: asyncio.open_unix_connection(path)


@dataclass
class Faults:
    """What happens to bytes; the default is nothing."""

    delay_s: float = 0.0
    drip_bytes: int = 0
    """Bytes a step from the server, one step every 50 ms; 0 is all at once."""
    reset_after: int | None = None
    """Bytes from the server until a connection is reset."""
    corrupt: bool = False
    lose_reply_to: bytes | None = None
    """Once a request holds these bytes, it is passed on, and its reply is replaced by a reset."""


class Link:
    """One connection and its other half."""

    def __init__(self, client: Pair, server: Pair) -> None:
        self.client, self.server = client, server
        self.from_server = 0
        self.reply_is_lost = False

    def reset(self) -> None:
        for _, writer in (self.client, self.server):
            end = writer.get_extra_info("socket")
            if end is not None and end.family != socket.AF_UNIX:
                with suppress(OSError, ValueError):  # it may be closed already
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            writer.transport.abort()


class FaultProxy:
    """Stands between a client and its server on a port of its own."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.faults = Faults()
        self.port = 0
        self.accepted = 0
        self.replies_lost = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._links: set[Link] = set()
        self._waiting: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None

    @property
    def open_connections(self) -> int:
        return len(self._links)

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections and reset those that are open."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def black_hole(self) -> None:
        """Pass nothing on, in either direction, and close nothing."""
        self._passing.clear()

    def cut(self) -> None:
        """Reset every open connection."""
        for link in list(self._links):
            link.reset()
        for writer in list(self._waiting):
            writer.transport.abort()

    async def restore(self) -> None:
        """No faults from now on."""
        self.faults = Faults()
        self._passing.set()
        if self._listener is None:
            await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._waiting.add(writer)
        try:
            await self._passing.wait()
            server = await self.upstream()
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._waiting.discard(writer)
        link = Link((reader, writer), server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump_requests(link))
                pumps.create_task(self._pump_replies(link))
        finally:
            self._links.discard(link)
            writer.close()
            server[1].close()

    async def _pump_requests(self, link: Link) -> None:
        reader, writer = link.client[0], link.server[1]
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                marker = self.faults.lose_reply_to
                if marker is not None and marker in data:
                    self.faults.lose_reply_to = None
                    link.reply_is_lost = True
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _pump_replies(self, link: Link) -> None:
        reader, writer = link.server[0], link.client[1]
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                if self.faults.delay_s:
                    await asyncio.sleep(self.faults.delay_s)
                if link.reply_is_lost:
                    self.replies_lost += 1
                    link.reset()
                    return
                await self._pass_on(link, data, writer)
        writer.close()

    async def _pass_on(self, link: Link, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.faults.corrupt:
            data = bytes(byte ^ 0x55 for byte in data)
        step = self.faults.drip_bytes or len(data)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            limit = self.faults.reset_after
            if limit is not None and link.from_server + len(piece) > limit:
                writer.write(piece[: limit - link.from_server])
                link.reset()
                return
            link.from_server += len(piece)
            writer.write(piece)
            await writer.drain()
            if self.faults.drip_bytes:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def fault_proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(upstream)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()
