"""Any PostgreSQL 15 to 18 with pgvector, by `DATABASE_URL`."""

from contextlib import asynccontextmanager

import asyncpg

from app.adapters.store.connections import open_pool, translated_failures
from app.adapters.store.migrations import migrate, read_migrations
from app.core.settings import Settings
from app.ports.store import DatabaseContext, StoreAdapter

CONNECT_TIMEOUT_S = 10


@asynccontextmanager
async def open_postgres(settings: Settings) -> DatabaseContext:
    """The database at `DATABASE_URL`, migrated.

    Raises:
        StoreUnavailable: it cannot be reached with these credentials.
        MigrationFailed: its schema cannot be brought up to date.
    """
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    url = settings.database_url.get_secret_value()
    with translated_failures():
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        with translated_failures():
            await migrate(connection, read_migrations())
    finally:
        await connection.close()
    # Whoever the address names, calls are made as the role that may call functions only.
    async with open_pool(dsn=url, server_settings={"role": "agentes_app"}) as database:
        yield database


STORE = StoreAdapter("postgres", lambda settings: settings.database_url is not None, open_postgres)
