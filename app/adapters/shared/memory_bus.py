"""Messages to the subscribers of this process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

import orjson
import structlog

MAX_WAITING = 1_000
log = structlog.get_logger(__name__)


class Mailbox:
    """What one subscriber has not read yet. A wait that is given up loses nothing."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._lost = 0

    def put(self, body: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._lost += 1
            if self._lost == 1:
                log.warning("bus_subscriber_too_slow", channel=self._channel)
        self._waiting.append(body)
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        if self._lost and len(self._waiting) == 1:
            log.warning("bus_subscriber_caught_up", channel=self._channel, lost=self._lost)
            self._lost = 0
        return orjson.loads(self._waiting.popleft())


class MemoryBus:
    """Mailboxes by channel."""

    def __init__(self) -> None:
        self._mailboxes: dict[str, set[Mailbox]] = {}

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        self.deliver(channel, orjson.dumps(message))

    def deliver(self, channel: str, body: bytes) -> None:
        """Put JSON text into the mailboxes of the channel."""
        for mailbox in self._mailboxes.get(channel, ()):
            mailbox.put(body)

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncGenerator[Mailbox]:
        mailbox = Mailbox(channel)
        self._mailboxes.setdefault(channel, set()).add(mailbox)
        try:
            yield mailbox
        finally:
            mailboxes = self._mailboxes[channel]
            mailboxes.discard(mailbox)
            if not mailboxes:
                del self._mailboxes[channel]
