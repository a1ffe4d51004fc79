"""Connections of a pool that stay at hand between calls.

The pool's own way of taking one and giving it back costs a task and four timers: as much as a
third of a short call.
"""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg

# So often all go back to the pool, which closes those that nobody has used for half a minute.
RETURNED_EVERY_S = 10.0
UNUSED_S = 30.0


class AtHand:
    """The pool's connections; those that nobody waits for are kept for the next call."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._kept: list[Any] = []
        self._waiting = 0
        self._is_closing = False
        self._return_at_s = self._loop.time() + RETURNED_EVERY_S

    def sizes(self) -> dict[str, int]:
        """How many connections do nothing, and how many are at work."""
        idle = self._pool.get_idle_size() + sum(map(_is_open, self._kept))
        return {"idle": idle, "used": self._pool.get_size() - idle}

    async def acquire(self, *, timeout_s: float) -> Any:
        """A connection, waited for where all are at work.

        Raises:
            TimeoutError: none came free in time.
        """
        while self._kept:
            # The last one: the others fall asleep for good where there is little to do.
            connection = self._kept.pop()
            if _is_open(connection):
                return connection
            await self._let_go(connection)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=timeout_s)
        finally:
            self._waiting -= 1

    async def release(self, connection: Any) -> None:
        """Give a connection back, to whoever waits for one."""
        if self._waiting or self._is_closing or not _is_open(connection):
            await self._pool.release(connection)
            return
        self._kept.append(connection)
        if self._loop.time() >= self._return_at_s:
            self._return_at_s = self._loop.time() + RETURNED_EVERY_S
            await self._return_all()

    async def close(self) -> None:
        """Keep none from now on."""
        self._is_closing = True
        await self._return_all()

    async def _return_all(self) -> None:
        # The last used last, as the pool gives out first what came back last.
        while self._kept:
            await self._let_go(self._kept.pop(0))

    async def _let_go(self, connection: Any) -> None:
        # Lost in this very moment, it has gone back by itself; whose call this is has lost nothing.
        with suppress(asyncpg.InternalClientError, asyncpg.InterfaceError, OSError):
            await self._pool.release(connection)


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # with its end it has gone back to the pool
        return False
