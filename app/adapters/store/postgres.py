"""Any PostgreSQL 15 to 18 with pgvector, by `DATABASE_URL`."""

from collections.abc import Generator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from app.adapters.store.connections import open_pool
from app.adapters.store.migrations import migrate, read_migrations
from app.core.errors import CannotStart
from app.core.settings import Settings
from app.ports.store import DatabaseContext, StoreAdapter

CONNECT_TIMEOUT_S = 10


@contextmanager
def _told() -> Generator[None]:
    """What keeps the database from serving, with what to do about it."""
    try:
        yield
    except TimeoutError as error:
        said, cause = f"it did not answer within {CONNECT_TIMEOUT_S} s", error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said, cause = str(error), error
    except ValueError as error:  # asyncpg's reading of the address; its message may repeat parts
        said, cause = "the address cannot be read", error
    else:
        return
    raise CannotStart(
        f"The database at DATABASE_URL cannot be used: {said}. Start it, or correct the address"
        " and what its user may do; without DATABASE_URL the embedded one serves."
    ) from cause


@asynccontextmanager
async def open_postgres(settings: Settings) -> DatabaseContext:
    """The database at `DATABASE_URL`, migrated.

    Raises:
        CannotStart: it cannot be reached with these credentials.
        MigrationFailed: its schema cannot be brought up to date.
    """
    if settings.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    url = settings.database_url.get_secret_value()
    with _told():
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        try:
            await migrate(connection, read_migrations())
        finally:
            await connection.close()
    # Whoever the address names, calls are made as the role that may call functions only.
    async with open_pool(dsn=url, server_settings={"role": "agentes_app"}) as database:
        yield database


STORE = StoreAdapter("postgres", lambda settings: settings.database_url is not None, open_postgres)
