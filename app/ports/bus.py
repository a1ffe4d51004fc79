"""Messages between the processes of the service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

# `{"last": number}` once facts up to that number can be read. It saves waiting and proves nothing:
# a follower also looks into the database from time to time, as messages are lost in an outage.
EVENTS_NUMBERED = "events.numbered"

# `{}` once a credential has ended before its time; whoever serves one for long looks again.
CREDENTIALS_ENDED = "credentials.ended"


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


async def next_message(
    messages: AsyncIterator[dict[str, Any]], *, within_s: float
) -> dict[str, Any] | None:
    """The next message of a subscription; None if none comes in time. Waiting loses none."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(messages)
    except TimeoutError:
        return None
