"""A real redis-server on a port of its own, with the faults that a process can have."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.lacking import program
from tests.support.service import free_port

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REFUSING = ("OOM", "READONLY", "NOAUTH")


class RedisServer:
    """One server; what it holds is lost when it ends."""

    def __init__(self, binary: str, port: int, folder: Path, *options: str) -> None:
        self._binary, self.port, self._folder, self._options = binary, port, folder, options
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"redis://127.0.0.1:{port}/0"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(self._binary, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
            *self._options,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                with suppress(RedisError):
                    await self.do("PING")
                    return
                assert self._process.returncode is None, "redis-server did not start"
                await asyncio.sleep(0.01)

    async def do(self, *command: str | int | bytes):
        """One command over a connection of its own."""
        async with Redis(port=self.port, protocol=2) as redis:
            return await redis.execute_command(*command)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Connections stay and are accepted, but nothing is answered any more."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def refuse(self, how: str) -> None:
        """Answer commands, or those that write, with this error from now on."""
        match how:
            case "OOM":
                await self.do("CONFIG", "SET", "maxmemory", "1")
            case "READONLY":
                await self.do("REPLICAOF", "127.0.0.1", "1")
            case "NOAUTH":
                await self.do("CONFIG", "SET", "requirepass", "secret")
                async with Redis(port=self.port, password="secret", protocol=2) as redis:
                    for kind in ("normal", "pubsub"):
                        await redis.execute_command("CLIENT", "KILL", "TYPE", kind)

    async def accept(self, how: str) -> None:
        """Take the refusal back."""
        match how:
            case "OOM":
                await self.do("CONFIG", "SET", "maxmemory", "0")
            case "READONLY":
                await self.do("REPLICAOF", "NO", "ONE")
            case "NOAUTH":
                async with Redis(port=self.port, password="secret", protocol=2) as redis:
                    await redis.execute_command("CONFIG", "SET", "requirepass", "")


@asynccontextmanager
async def running_redis(*options: str) -> AsyncIterator[RedisServer]:
    """A fresh server, killed at the end in whatever state it is."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(program("redis-server"), free_port(), Path(folder), *options)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


class MutingProxy:
    """Passes bytes on, but nothing from the server any more over connections that were muted."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._muted_before = self._connections = 0
        self.url = ""

    def mute(self) -> None:
        self._muted_before = self._connections

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._connections
        self._connections += 1
        there = await asyncio.open_connection("127.0.0.1", self._server.port)
        answers = asyncio.ensure_future(self._pass_on((there[0], writer), number))
        with suppress(ConnectionError):
            await self._pass_on((reader, there[1]))
        there[1].close()
        await asyncio.wait([answers])
        writer.close()

    async def _pass_on(self, ends: Pair, number: int | None = None) -> None:
        reader, writer = ends
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if number is None or number >= self._muted_before:
                    writer.write(data)


@asynccontextmanager
async def muting_proxy(server: RedisServer) -> AsyncIterator[MutingProxy]:
    proxy = MutingProxy(server)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listener:
        proxy.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        yield proxy
