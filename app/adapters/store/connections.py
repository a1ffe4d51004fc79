"""A pool of asyncpg connections behind the one verb of the port."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import orjson

from app.adapters.store.failures import failure_of, unavailable
from app.adapters.store.statements import statement
from app.core.ids import OrganizationId
from app.ports.store import Scope, StoreRefused

# The role that may call functions and read nothing itself.
ROLE = "agentes_app"
POOL_SIZE = 20
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 10.0


@contextmanager
def translated_failures() -> Generator[None]:
    """The driver's failures as the port's; nothing of the driver's wording reaches a client."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise failure_of(getattr(error, "sqlstate", None)) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # an argument or an address that makes no sense
            raise StoreRefused from error
        raise unavailable() from error
    except OSError as error:  # TimeoutError is one
        raise unavailable() from error


class PostgresScope:
    """Calls with fixed first arguments."""

    def __init__(self, database: "PostgresDatabase", **fixed: str) -> None:
        self._database = database
        self._fixed = fixed

    async def call(self, function: str, **arguments: Any) -> Any:
        named = self._fixed | arguments
        return await self._database.fetch(statement(function, tuple(named)), *named.values())


class PostgresDatabase:
    """A database over one pool."""

    def __init__(
        self, pool: asyncpg.Pool, *, is_exclusive: bool = False, is_shared: bool = False
    ) -> None:
        self._pool = pool
        self._is_shared = is_shared
        self.is_exclusive = is_exclusive

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return PostgresScope(self, org=organization_id)

    def system(self) -> Scope:
        return PostgresScope(self)

    async def ping(self) -> None:
        with translated_failures():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                await connection.fetchval("select 1", timeout=ACQUIRE_TIMEOUT_S)

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """The one value of a statement, run as the service's role."""
        with translated_failures():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                if not self._is_shared:
                    return await connection.fetchval(query, *arguments, timeout=CALL_TIMEOUT_S)
                async with connection.transaction():
                    await connection.execute(f"set local role {ROLE}")
                    return await connection.fetchval(query, *arguments, timeout=CALL_TIMEOUT_S)


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)


async def _leave_as_is(connection: asyncpg.Connection) -> None:
    """Calls leave no session state behind, so a reset would only cost a round trip each."""


@asynccontextmanager
async def open_pool(
    *, is_exclusive: bool = False, is_shared: bool = False, **connect: Any
) -> AsyncGenerator[PostgresDatabase]:
    """A database whose connections are closed at the end.

    Args:
        is_exclusive: no other process can have the database open.
        is_shared: a transaction pooler lends each transaction a session that others use too: no
            prepared statement outlives a call, and the role is chosen in every transaction.
        connect: where and how to connect; for a session of our own, with the role's settings.
    """
    if is_shared:
        connect["statement_cache_size"] = 0
    with translated_failures():
        pool = await asyncpg.create_pool(
            min_size=1,
            max_size=POOL_SIZE,
            init=_prepare,
            reset=_leave_as_is,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=CALL_TIMEOUT_S,
            **connect,
        )
    try:
        yield PostgresDatabase(pool, is_exclusive=is_exclusive, is_shared=is_shared)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5.0)
        except TimeoutError:
            pool.terminate()
