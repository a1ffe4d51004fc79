"""A cluster that runs for the life of a context, whatever is killed meanwhile."""

import asyncio
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from app.adapters.store.bundled.binaries import binaries_for, installed
from app.adapters.store.bundled.children import stop, to_the_end
from app.adapters.store.bundled.failure import (
    OWN_DATABASE,
    EmbeddedPostgresFailed,
    PlatformUnsupported,
)
from app.adapters.store.bundled.folder_lock import folder_lock
from app.adapters.store.bundled.folders import (
    choose_site,
    make_socket_dir,
    remove_socket_dir,
    restore_socket_dir,
    visible_folder,
)
from app.adapters.store.bundled.postmaster import (
    PORT,
    STOP_PATIENCE,
    SUPERUSER,
    Server,
    ensure_cluster,
    start,
)

WATCH_EVERY_S = 0.1
MAX_PAUSE_S = 10.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Where to connect to."""

    socket_dir: Path
    port: int
    major_version: int
    superuser: str = SUPERUSER


class _Supervisor:
    """Keeps one server running until it is told to stop."""

    def __init__(self, server: Server, process: "subprocess.Popen[bytes]") -> None:
        self._server = server
        self._process = process

    async def watch(self) -> None:
        """Start the server again whenever it has ended, with growing pauses while that fails."""
        pause_s = WATCH_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if self._process.poll() is None:
                pause_s = WATCH_EVERY_S
                continue
            try:
                restore_socket_dir(self._server.socket_dir, self._server.account)
                self._process = await start(self._server)
                log.warning("postgres_restarted", folder=str(self._server.folder))
            except (EmbeddedPostgresFailed, OSError):
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                log.exception("postgres_restart_failed", next_try_in_s=pause_s)

    async def stop(self) -> None:
        """End the server in good order, and by force where that takes too long."""
        await to_the_end(partial(stop, self._process, patience=STOP_PATIENCE))


@asynccontextmanager
async def running_cluster(
    data_dir: Path, *, major_version: int = 18, durable: bool = True
) -> AsyncGenerator[Cluster]:
    """The PostgreSQL of a data folder, made at the first time; one process has it at a time.

    Raises:
        EmbeddedPostgresFailed: it cannot run; the message says why and what to do.
    """
    if not hasattr(asyncio, "open_unix_connection"):
        raise PlatformUnsupported(
            f"This system has no Unix sockets; use Linux or macOS, {OWN_DATABASE}."
        )
    await asyncio.to_thread(visible_folder, data_dir)
    data_dir = await asyncio.to_thread(data_dir.resolve)
    async with folder_lock(data_dir) as lock:
        if lock.previous_socket_dir is not None:
            remove_socket_dir(lock.previous_socket_dir)
        site = await choose_site(data_dir, major_version)
        binaries = await binaries_for(site.account, installed(major_version))
        socket_dir = await make_socket_dir(site.account, port=PORT)
        lock.record(socket_dir)
        try:
            server = Server(binaries, site.account, site.folder, socket_dir, durable)
            await ensure_cluster(server)
            supervisor = _Supervisor(server, await start(server))
            try:
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(supervisor.watch())
                    try:
                        yield Cluster(socket_dir, PORT, major_version)
                    finally:
                        watching.cancel()
            finally:
                await supervisor.stop()
        finally:
            remove_socket_dir(socket_dir)
