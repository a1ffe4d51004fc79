"""A PostgreSQL of the tests' own that is stopped, killed and frozen at will."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import asyncpg
import psutil

from app.adapters.store.bundled.binaries import binaries_for, installed
from app.adapters.store.bundled.cluster import Cluster
from app.adapters.store.bundled.folders import (
    choose_site,
    make_socket_dir,
    remove_socket_dir,
    visible_folder,
)
from app.adapters.store.bundled.postmaster import (
    PORT,
    SUPERUSER,
    Server,
    ensure_cluster,
    start,
    stop_server,
)
from app.adapters.store.embedded import prepare_database
from app.core.ids import new_id

MAJOR = 18
TEMPLATE = "template_faults"
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT


@dataclass(frozen=True)
class TunedServer(Server):
    """As the service runs it, with settings of the test after its own."""

    tuning: tuple[str, ...] = ()

    def command(self) -> list[str]:
        return [*super().command(), *(part for one in self.tuning for part in ("-c", one))]


class PostgresServer:
    """One cluster; `process` is its postmaster while it runs."""

    def __init__(self, server: TunedServer) -> None:
        self._server = server
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self._server.socket_dir / f".s.PGSQL.{PORT}")

    @property
    def cluster(self) -> Cluster:
        return Cluster(self._server.socket_dir, PORT, MAJOR)

    async def start(self) -> None:
        self.process = await start(self._server)

    async def stop(self, number: int = FAST) -> None:
        """End it as `pg_ctl stop` does: SIGINT is its mode fast, SIGQUIT its mode immediate."""
        if self.process is not None:
            self.process.send_signal(number)
            await asyncio.to_thread(self.process.wait, 20)
            self.process = None

    def freeze(self) -> None:
        """Stop all of its processes where they are; the postmaster first, so that it makes none."""
        postmaster = self._postmaster()
        postmaster.suspend()
        for child in postmaster.children(recursive=True):
            child.suspend()

    def thaw(self) -> None:
        postmaster = self._postmaster()
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _postmaster(self) -> psutil.Process:
        assert self.process is not None, "it does not run"
        return psutil.Process(self.process.pid)

    async def connect(self, database: str = "postgres") -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self._server.socket_dir), port=PORT, user=SUPERUSER, database=database
        )

    async def new_database(self) -> str:
        """A fresh database with the newest schema."""
        name = f"f_{new_id().replace('-', '')}"
        connection = await self.connect()
        try:
            await connection.execute(f"create database {name} template {TEMPLATE}")
        finally:
            await connection.close()
        return name

    async def execute(self, database: str, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await self.connect(database)
        try:
            return await connection.fetch(sql, *values)
        finally:
            await connection.close()

    async def end(self) -> None:
        if self.process is not None:
            with suppress(psutil.NoSuchProcess):
                self.thaw()
            await asyncio.to_thread(partial(stop_server, self._server, self.process))
            self.process = None


@asynccontextmanager
async def postgres_server(folder: Path, *tuning: str) -> AsyncIterator[PostgresServer]:
    """A running server over a cluster that is made where there is none, with a template database.

    It keeps what it has acknowledged: only making it goes without waiting for the disk.
    """
    visible_folder(folder)
    site = await choose_site(folder, MAJOR)
    binaries = await binaries_for(site.account, installed(MAJOR))
    socket_dir = await make_socket_dir(site.account, port=PORT)
    hasty = TunedServer(binaries, site.account, site.folder, socket_dir, durable=False)
    postgres = PostgresServer(replace(hasty, durable=True, tuning=tuning))
    try:
        await ensure_cluster(hasty)
        await postgres.start()
        await prepare_database(postgres.cluster, TEMPLATE)
        yield postgres
    finally:
        await postgres.end()
        remove_socket_dir(socket_dir)
        shutil.rmtree(folder, ignore_errors=True)
