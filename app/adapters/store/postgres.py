"""Any PostgreSQL 15 to 18 with pgvector, by `DATABASE_URL`, directly or through a pooler."""

import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import structlog

from app.adapters.store.arrival import opened_on_arrival
from app.adapters.store.connections import (
    ROLE,
    PostgresDatabase,
    open_pool,
    translated_failures,
)
from app.adapters.store.failures import CONNECTION_FAILURE, failure_of
from app.adapters.store.migrations import migrate, read_migrations
from app.adapters.store.schema import (
    LIST_FUNCTION,
    STRAYED_FUNCTION,
    require_newest,
    require_none_strayed,
)
from app.core.addresses import ENCODED
from app.core.settings import Settings
from app.ports.store import (
    Arrived,
    DatabaseContext,
    StoreAdapter,
    StoreRefused,
    StoreUnavailable,
    nothing_first,
)

CONNECT_TIMEOUT_S = 3
# What other clients read from an address and PostgreSQL would refuse as a setting.
_NOT_SETTINGS = ("pgbouncer", "supa")
log = structlog.get_logger(__name__)


def _address(settings: Settings) -> str:
    """`DATABASE_URL` as asyncpg takes it."""
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    parts = urlsplit(settings.database_url.get_secret_value())
    fields = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in fields if name not in _NOT_SETTINGS]
    return urlunsplit(parts._replace(query=urlencode(kept)))


async def _connect(settings: Settings) -> asyncpg.Connection:
    """A connection that keeps nothing in a session, so that it works through a pooler too."""
    try:
        return await asyncpg.connect(
            _address(settings), timeout=CONNECT_TIMEOUT_S, statement_cache_size=0
        )
    except ValueError:
        # The wording repeats parts of the address, perhaps of its password.
        raise StoreRefused(f"DATABASE_URL cannot be read: {ENCODED}.") from None
    except socket.gaierror as error:
        # Half a password is taken for the host, where it holds an @ or a slash.
        raise StoreUnavailable(
            f"DATABASE_URL cannot be opened: {error.strerror}; {ENCODED}."
        ) from error
    except (asyncpg.PostgresError, OSError) as error:
        kind = failure_of(getattr(error, "sqlstate", CONNECTION_FAILURE))
        raise type(kind)(f"DATABASE_URL cannot be opened: {error or 'no answer'}") from error


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncGenerator[asyncpg.Connection]:
    with translated_failures():
        connection = await _connect(settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def migrate_postgres(settings: Settings) -> list[str]:
    """Bring the database at `DATABASE_URL` to the newest schema; returns what was applied.

    Raises:
        StoreUnavailable: it cannot be reached.
        StoreRefused: it does not take these credentials.
        MigrationFailed: a migration cannot be applied.
    """
    async with _connected(settings) as connection:
        return await migrate(connection, read_migrations())


async def _ensure_schema(connection: asyncpg.Connection) -> None:
    """Migrate; a user that may not is served where there is nothing to migrate or hand back."""
    try:
        await migrate(connection, read_migrations())
    except asyncpg.InsufficientPrivilegeError:
        try:
            recorded = await connection.fetchval(
                f"select array(select jsonb_array_elements_text(public.{LIST_FUNCTION}()))"
            )
        except (asyncpg.UndefinedFunctionError, asyncpg.InsufficientPrivilegeError):
            recorded = None
        require_newest(recorded, variable="DATABASE_URL")
        strayed = await connection.fetchval(f"select public.{STRAYED_FUNCTION}()::integer")
        require_none_strayed(strayed or 0, variable="DATABASE_URL")


async def _is_pooled(settings: Settings, connection: asyncpg.Connection) -> bool:
    """Whether a pooler answers: by its address, or as it names another process than is at work."""
    address = settings.database_url.get_secret_value() if settings.database_url else ""
    if ":6543/" in address or "pgbouncer=true" in address:
        return True
    return connection.get_server_pid() != await connection.fetchval("select pg_backend_pid()")


@asynccontextmanager
async def open_postgres(settings: Settings, arrived: Arrived = nothing_first) -> DatabaseContext:
    """The database at `DATABASE_URL`, migrated.

    One that cannot be reached yet is waited for: until then every call is `StoreUnavailable`.

    Raises:
        StoreRefused: it does not take these credentials.
        StoreUnavailable: it could not be reached for a long time; ends what uses the context.
        MigrationFailed: its schema cannot be brought up to date.
        SchemaOutdated: its schema is too old, and this user may not change it.
        FunctionsStrayed: its functions are whoever's restored it, whom this user is not.
        Exception: what `arrived` raised.
    """
    database = PostgresDatabase()
    async with AsyncExitStack() as stack:

        async def attempt() -> None:
            async with _connected(settings) as connection:
                await _ensure_schema(connection)
                is_pooled = await _is_pooled(settings, connection)
            log.info("database_opened", through_pooler=is_pooled)
            # Whoever the address names, calls are made as the role that may call functions only.
            # A pooler takes no role for a session, as its sessions are not one client's.
            opening = open_pool(
                dsn=_address(settings), is_shared=is_pooled, server_settings={"role": ROLE}
            )
            async with AsyncExitStack() as own:
                pool = await own.enter_async_context(opening)
                first = PostgresDatabase()
                first.use(pool, is_shared=is_pooled)
                await arrived(first)
                stack.push_async_exit(own.pop_all())
            database.use(pool, is_shared=is_pooled)

        async with opened_on_arrival(attempt):
            yield database


STORE = StoreAdapter("postgres", lambda settings: settings.database_url is not None, open_postgres)
