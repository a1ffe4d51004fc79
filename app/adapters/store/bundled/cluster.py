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
from app.adapters.store.bundled.children import to_the_end
from app.adapters.store.bundled.failure import (
    OWN_DATABASE,
    PlatformUnsupported,
)
from app.adapters.store.bundled.folder_lock import folder_lock, socket_dir_of_holder
from app.adapters.store.bundled.folders import (
    choose_site,
    make_socket_dir,
    remove_socket_dir,
    restore_socket_dir,
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

MAJOR_VERSION = 18
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
            if self._runs():
                pause_s = WATCH_EVERY_S
                continue
            try:
                # It may live on without its socket folder, where nobody can reach it.
                await self.stop()
                restore_socket_dir(self._server.socket_dir, self._server.account)
                self._process = await start(self._server)
                log.warning("postgres_restarted", folder=str(self._server.folder))
            # Whatever it is, the service is better off with another attempt than without any.
            except Exception:
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                log.exception("postgres_restart_failed", next_try_in_s=pause_s)

    def _runs(self) -> bool:
        socket = self._server.socket_dir / f".s.PGSQL.{PORT}"
        return self._process.poll() is None and socket.exists()

    async def stop(self) -> None:
        """End the server, if it still runs."""
        await to_the_end(partial(stop_server, self._server, self._process))


@asynccontextmanager
async def _watched(supervisor: _Supervisor) -> AsyncGenerator[None]:
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(supervisor.watch())
        try:
            yield
        except Exception as error:
            # Kept from the group, which would hand it on wrapped in an ExceptionGroup.
            failure = error
        finally:
            watching.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def running_cluster(
    data_dir: Path, *, major_version: int = MAJOR_VERSION, durable: bool = True
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
                async with _watched(supervisor):
                    yield Cluster(socket_dir, PORT, major_version)
            finally:
                await supervisor.stop()
        finally:
            remove_socket_dir(socket_dir)


def served_cluster(data_dir: Path) -> Cluster | None:
    """The cluster of this data folder that another process runs, if it takes connections."""
    socket_dir = socket_dir_of_holder(data_dir)
    if socket_dir is None or not (socket_dir / f".s.PGSQL.{PORT}").exists():
        return None
    return Cluster(socket_dir, PORT, MAJOR_VERSION)
