"""The least that a fan-out can cost: plain sockets, a frame written to each, nothing else."""

import argparse
import asyncio
import time
from typing import ClassVar

import uvloop

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"e\r\nretry: 2000\n\n\n\r\n"
)


class _Connection(asyncio.Protocol):
    open: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(HEAD)
        self.open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.open.discard(self._transport)


async def serve(port: int, rate: float, filler: int) -> None:
    """Write an event to every connection so many times a second."""
    await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=2048)
    due = time.monotonic()
    number = 0
    while True:
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        number += 1
        event = b'id: %d\ndata: {"ts":%d,"x":"%s"}\n\n' % (
            number,
            time.monotonic_ns(),
            b"x" * filler,
        )
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        for transport in tuple(_Connection.open):
            transport.write(chunk)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--filler", type=int, default=520)
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.rate, given.filler))
