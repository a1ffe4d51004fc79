"""One connection to a provider, which serves one request after the other."""

import asyncio
import select
import sys
from typing import cast

from app.adapters.llm.transport.incoming import Incoming


class Connection(asyncio.Protocol):
    """Open until either side closes it; a response under way is told of its end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._incoming: Incoming | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent, as far as this process has heard."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_quiet(self) -> bool:
        """Whether a request can be sent, and nothing has come that was not read: not even an end.

        The loop may not have come round to that yet, and a request would be lost.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        if sys.platform == "win32":
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def ask(self, request: bytes, loop: asyncio.AbstractEventLoop) -> Incoming:
        """Send a request; its response comes in by and by."""
        incoming = self._incoming = Incoming(loop, self._go_on)
        if self._transport is None or self._transport.is_closing():
            incoming.end(None)
        else:
            self._transport.write(request)
        return incoming

    def rest(self, idle_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the next request, but not for longer than that."""
        self._incoming = None
        self._go_on()  # who was answered may have left while more waited than fits
        self._timer = loop.call_later(idle_s, self.abort)

    def wake(self) -> None:
        """Rest no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        """Close at once: nothing more is sent or read."""
        self.wake()
        if self._transport is not None:
            self._transport.abort()
        if self._incoming is not None:
            self._incoming.end(ConnectionAbortedError())
            self._incoming = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        incoming = self._incoming
        if incoming is None:
            self.abort()  # nobody has asked anything
            return
        incoming.feed(data)
        if incoming.has_too_much and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        if self._incoming is not None:
            self._incoming.end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.wake()
        self._transport = None
        if self._incoming is not None:
            self._incoming.end(exc)

    def _go_on(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
