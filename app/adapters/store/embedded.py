"""The default: the PostgreSQL that comes with the installation, kept in `DATA_DIR`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from app.adapters.store.at_hand import AtHand
from app.adapters.store.bundled import MAJOR_VERSION, Cluster, running_cluster, served_cluster
from app.adapters.store.bundled.dumping import dump
from app.adapters.store.bundled.failure import DataFolderInUse, DataFolderUnusable
from app.adapters.store.bundled.folders import kept_cluster
from app.adapters.store.connections import ROLE, PostgresDatabase, open_pool
from app.adapters.store.migrations import migrate, read_migrations
from app.core.settings import Settings
from app.ports.store import Arrived, DatabaseContext, StoreAdapter, nothing_first

DATABASE = "agentes"
ANSWERS_WITHIN_S = 5


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


def _pooled(cluster: Cluster) -> AbstractAsyncContextManager[AtHand]:
    return open_pool(**_address(cluster))


def _address(cluster: Cluster) -> dict[str, Any]:
    return {
        "host": str(cluster.socket_dir),
        "port": cluster.port,
        "user": ROLE,
        "database": DATABASE,
    }


def _require_kept(data_dir: Path) -> None:
    """None is made for a command: it was told of another folder, or not of the database."""
    if kept_cluster(data_dir.resolve(), MAJOR_VERSION) is None:
        raise DataFolderUnusable(
            f"There is no embedded database in {data_dir.absolute()}: set DATA_DIR to the folder of"
            " the service that has one, or DATABASE_URL as it is set for the service. A service"
            " that starts for the first time makes one: try again once it serves."
        )


@asynccontextmanager
async def _cluster_at_work(data_dir: Path) -> AsyncGenerator[Cluster]:
    """The cluster of a service that runs, or else one of our own, at the newest schema."""
    await asyncio.to_thread(_require_kept, data_dir)
    async with AsyncExitStack() as stack:
        try:
            cluster = await stack.enter_async_context(running_cluster(data_dir))
        except DataFolderInUse:
            cluster = await _served(data_dir)
        else:
            await prepare_database(cluster)
        yield cluster


async def _served(data_dir: Path) -> Cluster:
    """The cluster that another process has opened: it lets our role in as the last of that."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        if cluster := served_cluster(data_dir):
            connection = await asyncpg.connect(**_address(cluster), timeout=ANSWERS_WITHIN_S)
            await connection.close(timeout=ANSWERS_WITHIN_S)
            return cluster
    raise DataFolderInUse(
        f"The process that runs over {data_dir} has not opened its database yet; try again."
    )


@asynccontextmanager
async def open_beside(settings: Settings) -> DatabaseContext:
    """For a command: the database of the service that runs over this folder, or else as it does.

    Raises:
        DataFolderUnusable: there is none.
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
    async with _cluster_at_work(settings.data_dir) as cluster:
        await dump(cluster, DATABASE, file)


STORE = StoreAdapter("embedded", lambda settings: True, open_embedded)
