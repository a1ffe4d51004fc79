"""Facts committed at a steady rate, with a ledger of those whose commit is known."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg

from app.core.ids import new_id

ANNOUNCE = (
    "select agentes.announce((select id from agentes.organizations where slug = 'local'), $1)"
)

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@dataclass
class Announced:
    """Ids of facts: committed for certain, and all that may have been."""

    committed: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)


async def _announce(connect: Callable[[], Awaitable[asyncpg.Connection]], told: Announced) -> None:
    while True:
        connection = None
        try:
            connection = await connect()
            while True:
                fact = new_id()
                facts = [{"id": fact, "type": "lead_captured", "data": {"fact": fact}}]
                told.doubtful.add(fact)
                await connection.execute(ANNOUNCE, json.dumps(facts))
                told.committed.add(fact)
                await asyncio.sleep(0.02)
        # Where a connection goes in the middle of a call, the driver's own state may break first.
        except LOST:
            await asyncio.sleep(0.1)
        finally:
            if connection is not None:
                connection.terminate()


@asynccontextmanager
async def announcing(
    connect: Callable[[], Awaitable[asyncpg.Connection]],
) -> AsyncIterator[Announced]:
    """About a hundred facts a second, by three who commit one at a time, while it is open."""
    told = Announced()
    tasks = [asyncio.ensure_future(_announce(connect, told)) for _ in range(3)]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
