"""One response as it comes in: its head, and a body whose reader takes what has come, or waits."""

import asyncio
import sys
from collections.abc import Callable

import httpx2
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD_BYTES = 128 * 1024
# What has come and was not taken; beyond it nothing more is read from the network.
MAX_WAITING_BYTES = 256 * 1024
# Poured before others have their turn: the loop hands on two megabytes of one connection before it
# looks at another, and each token has to be read, kept and shown.
MAX_POURED_BYTES = 16 * 1024
_NO_BODY = (204, 304)
# Takes a part of the body; whether it wants the next one in the same way.
Take = Callable[[bytes], bool]


class Incoming:
    """Fed by its connection; what came before a fault is given before the fault is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[], None]) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.http_version = b"HTTP/1.1"
        self.is_whole = False
        self.keeps_alive = False
        self._loop = loop
        self._go_on = go_on
        self._parser = HttpResponseParser(self)
        self._has_head = False
        self._is_over = False
        self._head_bytes = 0
        # Without a length or chunks, a body goes on until the connection ends.
        self._is_bounded = False
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._failure: Exception | None = None
        self._news: asyncio.Future[bool] | None = None
        self._take: Take | None = None
        self._poured_bytes = 0

    @property
    def has_too_much(self) -> bool:
        """Whether the reader is so far behind that nothing more should come."""
        return self._waiting_bytes > MAX_WAITING_BYTES

    def feed(self, data: bytes) -> None:
        """What the network has brought."""
        if self.is_whole or self._failure is not None:
            self.keeps_alive = False  # nobody has asked for more
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            # What follows a whole response does not change it.
            self.keeps_alive = False
            if not self.is_whole:
                self._failure = httpx2.RemoteProtocolError("what came is not HTTP/1.1")
        if not self._has_head and self._head_bytes > MAX_HEAD_BYTES:
            self._failure = httpx2.RemoteProtocolError("the head is too long")
        if self.is_whole or self._failure is not None:
            self._leave_parser()
        self._tell()

    def end(self, error: Exception | None) -> None:
        """The connection has ended; `error` says why, if it was not in good order."""
        self.keeps_alive = False
        if self.is_whole or self._failure is not None:
            return
        if error is not None:
            self._failure = httpx2.ReadError("the connection was lost")
        elif self._has_head and not self._is_bounded:
            self.is_whole = True
        else:
            self._failure = httpx2.RemoteProtocolError("the connection ended before the response")
        self._leave_parser()
        self._tell()

    async def head(self) -> None:
        """Wait for the head.

        Raises:
            httpx2.TransportError: the connection ended first.
        """
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._wait()

    async def read(self) -> bytes:
        """All that has come of the body, waited for if need be; nothing where it ends.

        Raises:
            httpx2.TransportError: it was cut off.
        """
        while not self._chunks:
            if self.is_whole:
                return b""
            if self._failure is not None:
                raise self._failure
            await self._wait()
        return self._taken()

    async def pour(self, take: Take) -> bool:
        """Give the body to `take` within the calls that bring it, until that wants no more.

        False where the body ends.

        Raises:
            httpx2.TransportError: it was cut off.
            Exception: what `take` raised.
        """
        while True:
            if self._chunks:
                is_enough = not take(self._taken(MAX_POURED_BYTES))
                if self._chunks:
                    await asyncio.sleep(0)
                if is_enough:
                    return True
            elif self.is_whole:
                return False
            elif self._failure is not None:
                raise self._failure
            elif await self._wait(take):
                return True

    def _taken(self, at_most: int = sys.maxsize) -> bytes:
        chunks = self._chunks
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        had_too_much = self.has_too_much
        self._chunks = [taken[at_most:]] if len(taken) > at_most else []
        self._waiting_bytes = max(0, len(taken) - at_most)
        if had_too_much and not self.has_too_much:
            self._go_on()
        return taken[:at_most]

    def _leave_parser(self) -> None:
        """Nothing more is parsed. The parser holds our methods: only the collector would end it."""
        del self._parser

    async def _wait(self, take: Take | None = None) -> bool:
        """Wait for news; whether `take` has heard them and wants no more."""
        self._news, self._take = self._loop.create_future(), take
        try:
            return await self._news
        finally:
            self._news = self._take = None

    def _tell(self) -> None:
        news = self._news
        if news is None or news.done():
            return
        is_over = self.is_whole or self._failure is not None
        if self._take is None:
            if is_over or self._has_head:
                news.set_result(False)
            return
        self._poured_bytes += self._waiting_bytes
        if self._poured_bytes > MAX_POURED_BYTES:
            self._poured_bytes = 0
            news.set_result(False)
            return
        chunk = self._taken() if self._chunks else b""
        try:
            is_enough = bool(chunk) and not self._take(chunk)
        except Exception as error:  # the connection has no part in it
            if not news.done():
                news.set_exception(error)
            return
        if (is_over or is_enough) and not news.done():
            news.set_result(is_enough)

    # The parser calls these, and goes on after a whole response where more has come with it.

    def on_message_begin(self) -> None:
        self._is_over = self.is_whole
        self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_over:
            self.headers.append((name, value))
            self._is_bounded |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._is_over:
            return
        if status < 200:  # a 100 or 103: the response is yet to come
            self.headers.clear()
            self._is_bounded = False
            return
        self.status, self._has_head = status, True
        self.http_version = b"HTTP/" + self._parser.get_http_version().encode()
        self._is_bounded |= status in _NO_BODY

    def on_body(self, data: bytes) -> None:
        if not self._is_over:
            self._chunks.append(data)
            self._waiting_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._has_head:
            self.keeps_alive = not self._is_over and self._parser.should_keep_alive()
            self.is_whole = True
