"""The default: the PostgreSQL that comes with the installation, kept in `DATA_DIR`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg

from app.adapters.store.bundled import MAJOR_VERSION, Cluster, running_cluster, served_cluster
from app.adapters.store.bundled.dumping import dump
from app.adapters.store.bundled.failure import DataFolderInUse, DataFolderUnusable
from app.adapters.store.bundled.folders import kept_cluster
from app.adapters.store.connections import ROLE, PostgresDatabase, open_pool
from app.adapters.store.migrations import migrate, read_migrations
from app.core.settings import Settings
from app.ports.store import Arrived, DatabaseContext, StoreAdapter, nothing_first

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
async def open_embedded(settings: Settings, arrived: Arrived = nothing_first) -> DatabaseContext:
    """A database of our own, started with the service and stopped with it."""
    async with running_cluster(settings.data_dir) as cluster:
        await prepare_database(cluster)
        async with _pooled(cluster) as pool:
            database = PostgresDatabase(is_exclusive=True)
            database.use(pool)
            await arrived(database)
            yield database


def _pooled(cluster: Cluster) -> AbstractAsyncContextManager[asyncpg.Pool]:
    return open_pool(host=str(cluster.socket_dir), port=cluster.port, user=ROLE, database=DATABASE)


@asynccontextmanager
async def _cluster_at_work(data_dir: Path) -> AsyncGenerator[Cluster]:
    """The cluster of a service that runs, or else one of our own, at the newest schema."""
    async with AsyncExitStack() as stack:
        try:
            cluster = await stack.enter_async_context(running_cluster(data_dir))
        except DataFolderInUse:
            served = served_cluster(data_dir)
            if served is None:
                raise
            yield served
            return
        await prepare_database(cluster)
        yield cluster


@asynccontextmanager
async def open_beside(settings: Settings) -> DatabaseContext:
    """For a command: the database of the service that runs over this folder, or else as it does.

    Raises:
        DataFolderInUse: whoever has the folder has not opened its database yet.
    """
    async with _cluster_at_work(settings.data_dir) as cluster, _pooled(cluster) as pool:
        database = PostgresDatabase()
        database.use(pool)
        yield database


async def dump_embedded(settings: Settings, file: Path) -> None:
    """Dump the database in `DATA_DIR` into a file, whether a service runs on it or none does.

    Raises:
        CannotStart: there is none, or it cannot be run or dumped.
    """
    if await asyncio.to_thread(kept_cluster, settings.data_dir.resolve(), MAJOR_VERSION) is None:
        raise DataFolderUnusable(
            f"There is no embedded database in {settings.data_dir.absolute()}: set DATA_DIR to the"
            " folder of the service that has one."
        )
    async with _cluster_at_work(settings.data_dir) as cluster:
        await dump(cluster, DATABASE, file)


STORE = StoreAdapter("embedded", lambda settings: True, open_embedded)
