"""A pool of asyncpg connections behind the one verb of the port."""

import asyncio
import random
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import orjson

from app.adapters.store.acting import ActingScope
from app.adapters.store.at_hand import UNUSED_S, AtHand
from app.adapters.store.failures import failure_of, unavailable
from app.adapters.store.statements import statement
from app.core.ids import OrganizationId
from app.ports.store import Scope, StoreRefused

# The role that may call functions and read nothing itself.
ROLE = "agentes_app"
POOL_SIZE = 20
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 2.0
# Where others are being served meanwhile, the database is only busy: the queue moves.
LONGEST_QUEUE_S = 10.0
# The server ends a statement first, which leaves its connection usable; our own limit is for a
# server that does not answer at all.
STATEMENT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 11.0
# A call that lost against another (deadlock, serialization) was rolled back: nothing of it is left.
ROLLBACK_RETRIES = 3
ROLLBACK_PAUSE_S = 0.02
# TimeoutError is an OSError.
DRIVER_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    OSError,
)


@contextmanager
def translated_failures() -> Generator[None]:
    """The driver's failures as the port's; nothing of the driver's wording reaches a client."""
    try:
        yield
    except DRIVER_FAILURES as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    if isinstance(error, asyncpg.PostgresError):
        return failure_of(getattr(error, "sqlstate", None))
    # An argument or an address that makes no sense; else what came is not PostgreSQL's protocol,
    # or nothing came.
    is_senseless = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    return StoreRefused() if is_senseless else unavailable()


class PostgresDatabase:
    """A database over one pool; unavailable until it has one."""

    def __init__(self, *, is_exclusive: bool = False) -> None:
        self.is_exclusive = is_exclusive
        self._pool: AtHand | None = None
        self._is_shared = False
        # Calls that were answered: while this grows, the database is at work.
        self._served = 0

    def use(self, pool: AtHand, *, is_shared: bool = False) -> None:
        """Be available from now on; see `open_pool` for what is shared."""
        self._pool, self._is_shared = pool, is_shared

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return ActingScope(PostgresScope(self, org=organization_id))

    def system(self) -> Scope:
        return PostgresScope(self)

    def connections(self) -> dict[str, int]:
        return {} if self._pool is None else self._pool.sizes()

    async def ping(self) -> None:
        with translated_failures():
            await self.fetch("select 1", timeout_s=ACQUIRE_TIMEOUT_S)

    async def fetch(self, query: str, *values: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The one value of a statement run as the service's role, with the driver's failures."""
        pool = self._pool
        if pool is None:
            raise unavailable()
        connection = await self._acquired(pool)
        try:
            result = await self._fetched(connection, query, values, timeout_s)
            self._served += 1
            return result
        except (asyncio.CancelledError, TimeoutError, asyncpg.ReadOnlySQLTransactionError):
            # Asking the server to cancel would take as long again where it does not answer, and
            # after a failover this connection would stay with a server that only reads.
            with suppress(asyncpg.InterfaceError):  # it may be gone by now
                connection.terminate()
            raise
        finally:
            await pool.release(connection)

    async def _acquired(self, pool: AtHand) -> Any:
        loop = asyncio.get_running_loop()
        gives_up_s = loop.time() + LONGEST_QUEUE_S
        while True:
            served = self._served
            try:
                return await pool.acquire(timeout_s=ACQUIRE_TIMEOUT_S)
            except TimeoutError:
                if served == self._served or loop.time() > gives_up_s:
                    raise

    async def _fetched(
        self, connection: Any, query: str, values: tuple[Any, ...], timeout_s: float
    ) -> Any:
        if not self._is_shared:
            return await connection.fetchval(query, *values, timeout=timeout_s)
        async with connection.transaction():
            await connection.execute(
                f"set local role {ROLE}; set local statement_timeout = '{STATEMENT_TIMEOUT_S:g}s'"
            )
            return await connection.fetchval(query, *values, timeout=timeout_s)


class PostgresScope:
    """Calls with fixed first arguments."""

    def __init__(self, database: PostgresDatabase, **fixed: str) -> None:
        self._database = database
        self._fixed = fixed

    async def call(self, function: str, **arguments: Any) -> Any:
        named = self._fixed | arguments
        query = statement(function, tuple(named))
        try:
            for attempt in range(ROLLBACK_RETRIES):
                try:
                    return await self._database.fetch(query, *named.values())
                except asyncpg.TransactionRollbackError:
                    # Jitter, as those that lost together would meet again.
                    await asyncio.sleep(random.uniform(0.5, 1.5) * ROLLBACK_PAUSE_S * 2**attempt)
            return await self._database.fetch(query, *named.values())
        except DRIVER_FAILURES as error:
            raise _translated(error) from error


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
    *, is_shared: bool = False, server_settings: Mapping[str, str] | None = None, **connect: Any
) -> AsyncGenerator[AtHand]:
    """A pool whose connections are made as they are needed and closed at the end.

    Args:
        is_shared: a transaction pooler lends each transaction a session that others use too: no
            prepared statement outlives a call, and no setting of the session is ours.
        server_settings: settings of sessions of our own.
        connect: where and how to connect.
    """
    if is_shared:
        connect["statement_cache_size"] = 0
    else:
        limits = {"statement_timeout": f"{STATEMENT_TIMEOUT_S:g}s"}
        connect["server_settings"] = limits | dict(server_settings or {})
    pool = await asyncpg.create_pool(
        # Keeping some open at all times would fill the log with tracebacks during an outage.
        min_size=0,
        max_size=POOL_SIZE,
        # What a busy hour has opened takes 5 to 10 MB of the server's memory each.
        max_inactive_connection_lifetime=UNUSED_S,
        init=_prepare,
        reset=_leave_as_is,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=CALL_TIMEOUT_S,
        **connect,
    )
    at_hand = AtHand(pool)
    try:
        yield at_hand
    finally:
        try:
            async with asyncio.timeout(5.0):
                await at_hand.close()
                await pool.close()
        except TimeoutError:
            pool.terminate()
