"""POSTs a second through the guarded client, beside httpx2: `python -m benchmarks.outbound_calls`.

A receiver of its own answers on loopback; calls are as large as webhooks. What counts is calls a
second of the client's CPU, since both share the machine with the receiver. Prints one JSON object
a client.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import time
from collections.abc import Awaitable, Callable

import httpx2
import uvloop

from app.adapters.fetch.guarded import open_fetch
from app.core.settings import Settings
from app.ports.fetch import Outgoing

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONTENT = b"x" * 600
HEADERS = {
    "content-type": "application/json",
    "webhook-id": "msg_01938f5e7a547cc19d4e0c2b5a1f3e77",
    "webhook-timestamp": "1764115200",
    "webhook-signature": "v1," + "x" * 44,
}


class Receiver(asyncio.Protocol):
    """Answers each request of the size that is sent here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            if len(self._heard) < end + 4 + len(CONTENT):
                return
            self._heard = self._heard[end + 4 + len(CONTENT) :]
            self._transport.write(ANSWER)  # type: ignore[attr-defined]


def receive(listener: socket.socket) -> None:
    """Answer until the process is ended."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Receiver, sock=listener)
        await server.serve_forever()

    uvloop.run(serve())


async def measured(name: str, post: Callable[[], Awaitable[object]], calls: int, at_once: int):
    """Post so many times, so many at once, and print the rates."""

    async def work() -> None:
        for _ in range(calls // at_once):
            await post()

    await post()
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(at_once)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rates = {"calls_per_s": round(calls / wall), "calls_per_cpu_s": round(calls / cpu)}
    print(json.dumps({"client": name, "calls": calls, "at_once": at_once, **rates}))


async def run(url: str, calls: int, at_once: int) -> None:
    """Measure both clients, one after the other."""
    async with open_fetch(Settings(outbound_allow_private_cidrs="127.0.0.0/8")) as fetch:
        request = Outgoing(url=url, method="POST", headers=HEADERS, content=CONTENT)
        await measured("guarded", lambda: fetch.send(request), calls, at_once)
    limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx2.AsyncClient(limits=limits, trust_env=False) as client:
        await measured(
            "httpx2",
            lambda: client.post(url, headers=HEADERS, content=CONTENT),
            calls // 5,
            at_once,
        )


def main() -> None:
    """Read the options, start the receiver, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=20)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = multiprocessing.Process(target=receive, args=(listener,), daemon=True)
        receiver.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        uvloop.run(run(url, options.calls, options.at_once))
        receiver.terminate()


if __name__ == "__main__":
    main()
