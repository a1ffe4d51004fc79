"""Holds many event streams open over plain sockets and notes when each event came.

Prints `measuring`, `measured`, and what it found as JSON.
A process of its own, so that what it costs is not the server's. Events carry `"ts":<nanoseconds>`
of the monotonic clock, which all processes of a machine share.
"""

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx2
import uvloop

_STAMP = re.compile(rb'"ts":(\d{12,})')
OPENED_AT_ONCE = 100
# So many of the clients stop reading when there are to be stalled ones.
STALL_AFTER_S = 1.0


class _Client(asyncio.Protocol):
    """One open stream."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench
        self._rest = b""
        self.is_open = False
        self.count = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(self._bench.request)

    def connection_lost(self, error: Exception | None) -> None:
        self._bench.lost += not self._bench.is_over

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self.is_open:
            if not data.startswith(b"HTTP/1.1 200"):
                self._bench.refused[data[:60].decode("latin-1")] += 1
            self.is_open = True
            self._bench.note_open()
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        for stamp in _STAMP.finditer(data, 0, end):
            sent = int(stamp[1])
            if sent >= self._bench.measures_from:
                self._bench.latencies.append(now - sent)
                self.count += 1


class Bench:
    """One measurement."""

    def __init__(self, url: str, headers: dict[str, str], clients: int) -> None:
        self._url, self._headers, self._clients = httpx2.URL(url), headers, clients
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        path = self._url.raw_path.decode()
        self.request = f"GET {path} HTTP/1.1\r\nhost: bench\r\n{lines}\r\n".encode()
        self.latencies: list[int] = []
        self.refused: Counter[str] = Counter()
        self.opened = self.lost = self.published = 0
        self.publishing: list[int] = []
        self.measures_from = 1 << 62
        self.is_over = False
        self.all_open = asyncio.Event()

    def note_open(self) -> None:
        """One more has had its first bytes."""
        self.opened += 1
        if self.opened >= self._clients:
            self.all_open.set()

    async def run(
        self, seconds: float, publish: str, rate: float, stalled: int
    ) -> dict[str, object]:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        clients: list[_Client] = []
        for start in range(0, self._clients, OPENED_AT_ONCE):
            several = min(OPENED_AT_ONCE, self._clients - start)
            made = [
                loop.create_connection(lambda: _Client(self), self._url.host, self._url.port)
                for _ in range(several)
            ]
            clients += [client for _, client in await asyncio.gather(*made)]
        async with asyncio.timeout(60):
            await self.all_open.wait()
        opened_s = time.monotonic() - began
        for client in clients[:stalled]:
            client.transport.pause_reading()
        publishing = asyncio.ensure_future(self._publish(publish, rate))
        await asyncio.sleep(STALL_AFTER_S)
        self.measures_from = time.monotonic_ns()
        print("measuring", flush=True)
        before_s, published = time.process_time(), self.published
        await asyncio.sleep(seconds)
        published = self.published - published
        busy = (time.process_time() - before_s) / seconds
        print("measured", flush=True)
        publishing.cancel()
        await asyncio.sleep(1)  # for what is on its way
        self.is_over = True
        counts = [client.count for client in clients[stalled:]]
        return {
            "opened_s": round(opened_s, 2),
            "published": published,
            "fewest": min(counts),
            "most": max(counts),
            "deliveries": len(self.latencies),
            "p50_ms": at(self.latencies, 0.5),
            "p99_ms": at(self.latencies, 0.99),
            "publish_p95_ms": at(self.publishing, 0.95),
            "lost": self.lost,
            "refused": dict(self.refused),
            "driver_busy": round(busy, 2),
        }

    async def _publish(self, url: str, rate: float) -> None:
        if not url:
            return
        async with httpx2.AsyncClient(headers=self._headers, trust_env=False) as client:
            due = time.monotonic()
            while True:
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._send(client.post, url)

    async def _send(self, post: Callable[..., Awaitable[httpx2.Response]], url: str) -> None:
        stamp = time.monotonic_ns()
        lead = {"name": "Bench", "email": f"bench{stamp}@example.com", "fields": {"ts": stamp}}
        answer = await post(url, json=lead)
        self.publishing.append(time.monotonic_ns() - stamp)
        self.refused[str(answer.status_code)] += not answer.is_success
        self.published += 1


def at(latencies: list[int], share: float) -> float:
    """The value below which that share of them lies, in milliseconds."""
    ordered = sorted(latencies) or [0]
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e6, 1)


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--bearer", default="")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--stalled", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--publish", default="")
    parser.add_argument("--rate", type=float, default=10)
    given = parser.parse_args()
    headers = {"authorization": f"Bearer {given.bearer}"} if given.bearer else {}
    bench = Bench(given.url, headers, given.clients)
    print(
        json.dumps(uvloop.run(bench.run(given.seconds, given.publish, given.rate, given.stalled)))
    )


if __name__ == "__main__":
    main()
