"""Any PostgreSQL 15 to 18 with pgvector, by `DATABASE_URL`."""

from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from app.adapters.store.arrival import opened_on_arrival
from app.adapters.store.connections import PostgresDatabase, open_pool, translated_failures
from app.adapters.store.migrations import migrate, read_migrations
from app.core.settings import Settings
from app.ports.store import DatabaseContext, StoreAdapter

CONNECT_TIMEOUT_S = 3


@asynccontextmanager
async def open_postgres(settings: Settings) -> DatabaseContext:
    """The database at `DATABASE_URL`, migrated.

    One that cannot be reached yet is waited for: until then every call is `StoreUnavailable`.

    Raises:
        StoreRefused: it does not accept these credentials.
        StoreUnavailable: it could not be reached for a long time; ends what uses the context.
        MigrationFailed: its schema cannot be brought up to date.
    """
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    url = settings.database_url.get_secret_value()
    database = PostgresDatabase()
    async with AsyncExitStack() as stack:

        async def attempt() -> None:
            with translated_failures():
                connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
                try:
                    await migrate(connection, read_migrations())
                finally:
                    await connection.close(timeout=CONNECT_TIMEOUT_S)
            # Whoever the address names, calls are made as the role that may call functions only.
            pool = open_pool(dsn=url, server_settings={"role": "agentes_app"})
            database.use(await stack.enter_async_context(pool))

        async with opened_on_arrival(attempt):
            yield database


STORE = StoreAdapter("postgres", lambda settings: settings.database_url is not None, open_postgres)
