"""A load balancer of connections: round robin, past those that refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle


class Balancer:
    """Gives each new connection to the next process that accepts it; closes it with its end."""

    def __init__(self, ports: list[int]) -> None:
        self._count = len(ports)
        self._next = cycle(ports)
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._accepted()
        if there is not None:
            passing = {
                asyncio.ensure_future(_pass_on(reader, there[1])),
                asyncio.ensure_future(_pass_on(there[0], writer)),
            }
            _, rest = await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for one in rest:
                one.cancel()
            there[1].close()
        writer.close()

    async def _accepted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(self._count):
            with suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", next(self._next))
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def balancer(ports: list[int]) -> AsyncIterator[Balancer]:
    balancer = Balancer(ports)
    listener = await asyncio.start_server(balancer.serve, "127.0.0.1", 0)
    balancer.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield balancer
    finally:
        listener.close()
