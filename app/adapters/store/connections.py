"""A pool of asyncpg connections behind the one verb of the port."""

import asyncio
import random
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import Any

import asyncpg
import orjson

from app.core.ids import OrganizationId
from app.ports.store import Scope, StoreConflict, StoreRefused, StoreUnavailable

POOL_SIZE = 20
ACQUIRE_TIMEOUT_S = 2.0
# The server ends a statement first, which leaves its connection usable; our own limit is for a
# server that does not answer at all.
STATEMENT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 11.0
# A call that lost against another (deadlock, serialization) was rolled back: nothing of it is left.
ROLLBACK_RETRIES = 3
ROLLBACK_PAUSE_S = 0.02
RETRY_AFTER = {"Retry-After": "1"}

_UNAVAILABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what came over the wire is not PostgreSQL's protocol
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
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


class PostgresDatabase:
    """A database over one pool; unavailable until it has one."""

    def __init__(self, pool: asyncpg.Pool | None = None, *, is_exclusive: bool = False) -> None:
        self._pool = pool
        self.is_exclusive = is_exclusive

    def use(self, pool: asyncpg.Pool) -> None:
        """Be available from now on."""
        self._pool = pool

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return PostgresScope(self, org=organization_id)

    def system(self) -> Scope:
        return PostgresScope(self)

    async def ping(self) -> None:
        with translated_failures():
            await self.fetch("select 1", timeout_s=ACQUIRE_TIMEOUT_S)

    async def fetch(self, statement: str, *values: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The one value of a statement, with the driver's own failures."""
        pool = self._pool
        if pool is None:
            raise StoreUnavailable(headers=RETRY_AFTER)
        connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            return await connection.fetchval(statement, *values, timeout=timeout_s)
        except (asyncio.CancelledError, TimeoutError, asyncpg.ReadOnlySQLTransactionError):
            # Asking the server to cancel would take as long again where it does not answer, and
            # after a failover this connection would stay with a server that only reads.
            with suppress(asyncpg.InterfaceError):  # it may be gone by now
                connection.terminate()
            raise
        finally:
            await pool.release(connection)


class PostgresScope:
    """Calls with fixed first arguments."""

    def __init__(self, database: PostgresDatabase, **fixed: str) -> None:
        self._database = database
        self._fixed = fixed

    async def call(self, function: str, **arguments: Any) -> Any:
        named = self._fixed | arguments
        statement = _statement(function, tuple(named))
        with translated_failures():
            for attempt in range(ROLLBACK_RETRIES):
                try:
                    return await self._database.fetch(statement, *named.values())
                except asyncpg.TransactionRollbackError:
                    # Jitter, as those that lost together would meet again.
                    await asyncio.sleep(random.uniform(0.5, 1.5) * ROLLBACK_PAUSE_S * 2**attempt)
            return await self._database.fetch(statement, *named.values())


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
    *, server_settings: Mapping[str, str] | None = None, **connect: Any
) -> AsyncGenerator[asyncpg.Pool]:
    """A pool whose connections are made as they are needed and closed at the end."""
    limits = {"statement_timeout": f"{STATEMENT_TIMEOUT_S:g}s"}
    pool = await asyncpg.create_pool(
        # Keeping some open at all times would fill the log with tracebacks during an outage.
        min_size=0,
        max_size=POOL_SIZE,
        init=_prepare,
        reset=_leave_as_is,
        timeout=5.0,
        command_timeout=CALL_TIMEOUT_S,
        server_settings=limits | dict(server_settings or {}),
        **connect,
    )
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5.0)
        except TimeoutError:
            pool.terminate()
