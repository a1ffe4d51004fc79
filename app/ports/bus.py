"""Messages between the processes of the service."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Bus(Protocol):
    """JSON messages by channel, at most once: what must not be lost is written elsewhere."""

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        """Tell every subscriber of every process. In an outage, those of this process only."""
        ...

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any]]]:
        """Every message that any process, this one too, publishes while the context is open.

        It survives outages; what others publish meanwhile is lost. Who reads too slowly loses
        the oldest of what waits.
        """
        ...
