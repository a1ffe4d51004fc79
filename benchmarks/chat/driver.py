"""Reads many streams at once over plain sockets, and notes when each token came."""

import asyncio
import re
import time
from dataclasses import dataclass, field

_STAMP = re.compile(rb"t(\d{6,}) ")
_TERMINAL = re.compile(rb"event: (done|error)\r?\n")


@dataclass
class Readings:
    """Milliseconds, one entry a stream or a token."""

    first_event: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    token: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Target:
    """Where and what to post."""

    port: int
    path: str
    body: bytes
    headers: str = ""
    tokens: int = 64

    @property
    def request(self) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n"
            f"{self.headers}\r\n"
        )
        return head.encode() + self.body


class _Stream(asyncio.Protocol):
    """One connection; one stream after the other over it."""

    def __init__(self, target: Target, readings: Readings) -> None:
        self._target, self._readings = target, readings

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def begin(self) -> "asyncio.Future[None]":
        self._done = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._started_ns = time.monotonic_ns()
        self._first_ns = 0
        self._tokens: list[float] = []
        self._ended_well = False
        self._transport.write(self._target.request)
        return self._done

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self._first_ns and b"data: " in data:
            self._first_ns = now_ns
        data = self._rest + data
        self._rest = data[-80:]
        if self._done.done():
            return
        # A stamp that stands in two pieces' overlap is found twice; stamps grow, which tells.
        for match in _STAMP.finditer(data):
            self._note(int(match[1]), now_ns)
        terminal = _TERMINAL.search(data)
        if terminal:
            self._ended_well = terminal[1] == b"done"
        if data.endswith(b"0\r\n\r\n"):
            self._finish(now_ns)

    def _note(self, stamp_ns: int, now_ns: int) -> None:
        if not self._tokens or stamp_ns > self._last_ns:
            self._last_ns = stamp_ns
            self._tokens.append((now_ns - stamp_ns) / 1e6)

    def _finish(self, now_ns: int) -> None:
        readings = self._readings
        if not self._ended_well or len(self._tokens) != self._target.tokens:
            readings.failed += 1
        else:
            readings.first_event.append((self._first_ns - self._started_ns) / 1e6)
            readings.total.append((now_ns - self._started_ns) / 1e6)
            readings.token.extend(self._tokens)
        self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_done") and not self._done.done():
            self._readings.failed += 1
            self._done.set_result(None)


async def load(
    target: Target, *, at_once: int, seconds: float, spread_s: float = 0.8
) -> tuple[Readings, float]:
    """Keep so many streams open for so long; the readings and the seconds it took.

    They begin spread over `spread_s`, so that they do not all begin and end together.
    """
    readings = Readings()
    loop = asyncio.get_running_loop()
    started = time.monotonic()

    async def client(place: int) -> None:
        await asyncio.sleep(place / at_once * spread_s)
        while time.monotonic() - started < seconds:
            transport, stream = await loop.create_connection(
                lambda: _Stream(target, readings), "127.0.0.1", target.port
            )
            while time.monotonic() - started < seconds and not transport.is_closing():
                await stream.begin()
            transport.close()

    await asyncio.gather(*(client(place) for place in range(at_once)))
    return readings, time.monotonic() - started
