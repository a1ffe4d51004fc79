"""A pool of asyncpg connections behind the one verb of the port."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any

import asyncpg
import orjson

from app.core.ids import OrganizationId
from app.ports.store import Scope, StoreConflict, StoreRefused, StoreUnavailable

POOL_SIZE = 20
ACQUIRE_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 10.0
RETRY_AFTER = {"Retry-After": "1"}

_UNAVAILABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
)


@contextmanager
def translated_failures() -> Generator[None]:
    """The driver's failures as the port's; nothing of the driver's wording reaches a client."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise StoreConflict from error
    except _UNAVAILABLE as error:
        raise StoreUnavailable(headers=RETRY_AFTER) from error
    except asyncpg.PostgresError as error:
        raise StoreRefused from error


@lru_cache(maxsize=1024)
def _statement(function: str, names: tuple[str, ...]) -> str:
    if not all(name.isidentifier() for name in (function, *names)):
        raise ValueError("a function or an argument is not a plain name")
    arguments = ", ".join(f"p_{name} => ${place}" for place, name in enumerate(names, 1))
    return f"select public.{function}({arguments})"


class PostgresScope:
    """Calls with fixed first arguments."""

    def __init__(self, pool: asyncpg.Pool, **fixed: str) -> None:
        self._pool = pool
        self._fixed = fixed

    async def call(self, function: str, **arguments: Any) -> Any:
        named = self._fixed | arguments
        statement = _statement(function, tuple(named))
        with translated_failures():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                return await connection.fetchval(statement, *named.values(), timeout=CALL_TIMEOUT_S)


class PostgresDatabase:
    """A database over one pool."""

    def __init__(self, pool: asyncpg.Pool, *, is_exclusive: bool) -> None:
        self._pool = pool
        self.is_exclusive = is_exclusive

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return PostgresScope(self._pool, org=organization_id)

    def system(self) -> Scope:
        return PostgresScope(self._pool)

    async def ping(self) -> None:
        with translated_failures():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                await connection.fetchval("select 1", timeout=ACQUIRE_TIMEOUT_S)


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
    *, is_exclusive: bool = False, **connect: Any
) -> AsyncGenerator[PostgresDatabase]:
    """A database whose connections are closed at the end."""
    with translated_failures():
        pool = await asyncpg.create_pool(
            min_size=1,
            max_size=POOL_SIZE,
            init=_prepare,
            reset=_leave_as_is,
            timeout=5.0,
            command_timeout=CALL_TIMEOUT_S,
            **connect,
        )
    try:
        yield PostgresDatabase(pool, is_exclusive=is_exclusive)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5.0)
        except TimeoutError:
            pool.terminate()
