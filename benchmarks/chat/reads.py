"""Asks for the same small answer again and again: as often as it goes, or to feel a pulse."""

import asyncio
import re
import time
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """What is asked for."""

    port: int
    path: str
    headers: str = ""

    @property
    def request(self) -> bytes:
        return (
            f"GET {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{self.headers}\r\n"
        ).encode()


@dataclass
class Answers:
    """Milliseconds that each took, and how many were not 200."""

    took: list[float] = field(default_factory=list)
    failed: int = 0


class Reader(asyncio.Protocol):
    """One connection; one request after the other over it."""

    def __init__(self, reading: Reading, answers: Answers) -> None:
        self._request, self._answers = reading.request, answers

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._answers.failed += 1
            self._done.set_result(None)

    def ask(self) -> "asyncio.Future[None]":
        self._done = asyncio.get_running_loop().create_future()
        self._answer = b""
        self._asked_s = time.monotonic()
        self._transport.write(self._request)
        return self._done

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]) or self._done.done():
            return
        self._answers.took.append((time.monotonic() - self._asked_s) * 1000)
        self._answers.failed += not head.startswith(b"HTTP/1.1 200")
        self._done.set_result(None)


async def read(reading: Reading, *, at_once: int, seconds: float, pause_s: float = 0) -> Answers:
    """Ask over so many connections for so long."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    ends_s = time.monotonic() + seconds

    async def client() -> None:
        transport, reader = await loop.create_connection(
            lambda: Reader(reading, answers), "127.0.0.1", reading.port
        )
        while time.monotonic() < ends_s and not transport.is_closing():
            await reader.ask()
            if pause_s:
                await asyncio.sleep(pause_s)
        transport.close()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return answers
