"""The default: the PostgreSQL that comes with the installation, kept in `DATA_DIR`."""

from contextlib import asynccontextmanager

import asyncpg

from app.adapters.store.bundled import Cluster, running_cluster
from app.adapters.store.connections import ROLE, PostgresDatabase, open_pool
from app.adapters.store.migrations import migrate, read_migrations
from app.core.settings import Settings
from app.ports.store import DatabaseContext, StoreAdapter

DATABASE = "agentes"


async def prepare_database(cluster: Cluster, database: str = DATABASE) -> None:
    """Make the database where it is missing and bring it to the newest schema."""
    server = await asyncpg.connect(
        host=str(cluster.socket_dir), port=cluster.port, user=cluster.superuser, database="postgres"
    )
    try:
        known = await server.fetchval("select true from pg_database where datname = $1", database)
        if not known:
            await server.execute(f'create database "{database}"')
    finally:
        await server.close()
    connection = await asyncpg.connect(
        host=str(cluster.socket_dir), port=cluster.port, user=cluster.superuser, database=database
    )
    try:
        await migrate(connection, read_migrations())
        # The socket lies in a folder that only this machine's owner of the service can enter.
        await connection.execute(f"alter role {ROLE} login")
    finally:
        await connection.close()


@asynccontextmanager
async def open_embedded(settings: Settings) -> DatabaseContext:
    """A database of our own, started with the service and stopped with it."""
    async with running_cluster(settings.data_dir) as cluster:
        await prepare_database(cluster)
        async with open_pool(
            host=str(cluster.socket_dir), port=cluster.port, user=ROLE, database=DATABASE
        ) as pool:
            database = PostgresDatabase(is_exclusive=True)
            database.use(pool)
            yield database


STORE = StoreAdapter("embedded", lambda settings: True, open_embedded)
