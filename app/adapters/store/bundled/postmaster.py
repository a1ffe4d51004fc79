"""One PostgreSQL server process: its cluster made, started, watched and stopped."""

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import structlog

from app.adapters.store.bundled.account import Account
from app.adapters.store.bundled.binaries import Binaries
from app.adapters.store.bundled.children import Finished, spawn, stop, to_the_end
from app.adapters.store.bundled.failure import server_not_started
from app.adapters.store.bundled.folders import holds_cluster, private_folder
from app.adapters.store.bundled.leftovers import (
    DRAFT_PREFIX,
    end_leftovers,
    remove_drafts,
    server_patience,
)

PORT = 5432
SUPERUSER = "postgres"
MAX_LOG_BYTES = 5_000_000
LOG_TAIL_CHARS = 2000
START_TIMEOUT_S = 60.0
INITDB_TIMEOUT_S = 300.0
_BUILTIN = "--locale-provider=builtin"
# The best first; the others are for systems whose C library has no C.UTF-8.
_LOCALES = {
    16: (("--locale=C.UTF-8",), ("--locale=C",)),
    18: (
        (_BUILTIN, "--locale=C.UTF-8"),
        (_BUILTIN, "--builtin-locale=C.UTF-8", "--locale=C"),
    ),
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Server:
    """How to run the cluster in one folder."""

    binaries: Binaries
    account: Account
    folder: Path
    socket_dir: Path
    durable: bool

    @property
    def log_file(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder.parent / f"{self.folder.name}.log"

    def command(self) -> list[str]:
        """The server with settings for a small neighbour of one service."""
        settings = {
            "listen_addresses": "",
            "shared_buffers": "32MB",
            "max_connections": "60",
            "jit": "off",
            "max_logical_replication_workers": "0",
            "log_min_messages": "warning",
        }
        if self.binaries.major_version >= 18:
            settings["io_method"] = "sync"
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        place = ["-D", str(self.folder), "-k", str(self.socket_dir), "-p", str(PORT)]
        return [str(self.binaries.bin / "postgres"), *place, *options]


async def ensure_cluster(server: Server) -> None:
    """Make the cluster where there is none: in a draft that is renamed when it is whole.

    Raises:
        ServerNotStarted: initdb failed.
    """
    parent = server.folder.parent
    await to_the_end(partial(remove_drafts, parent))
    if holds_cluster(server.folder):
        return
    result = Finished(-1, "")
    for locale in _LOCALES[server.binaries.major_version]:
        draft = await asyncio.to_thread(private_folder, parent, DRAFT_PREFIX, server.account)
        result = await _initdb(server, draft, locale)
        if result.ok:
            await to_the_end(partial(_put, draft, server.folder))
            log.info("postgres_cluster_made", folder=str(server.folder))
            return
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
    raise server_not_started(f"The cluster in {server.folder} was not made.", result.output)


async def _initdb(server: Server, draft: Path, locale: tuple[str, ...]) -> Finished:
    return await server.account.run(
        str(server.binaries.bin / "initdb"),
        *("-D", str(draft), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", *locale),
        "--no-instructions",
        *(() if server.durable else ("--no-sync",)),
        timeout_s=INITDB_TIMEOUT_S,
    )


def _put(draft: Path, folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
    draft.rename(folder)
    # A cluster that bears its draft's name again after a power cut would be removed as one.
    descriptor = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def start(server: Server) -> "subprocess.Popen[bytes]":
    """Start the server and return when it takes connections.

    Raises:
        ServerNotStarted: it ended or did not answer; with the last lines of its log.
    """
    await to_the_end(partial(end_leftovers, server.folder))
    started: list[subprocess.Popen[bytes]] = []
    try:
        # Into a list, as a cancellation in this moment would lose what is returned.
        await to_the_end(lambda: started.append(_spawn(server)))
        await _wait(server, started[0])
    except BaseException:
        for process in started:
            await to_the_end(partial(stop_server, server, process))
        raise
    return started[0]


async def _wait(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while not await answers(server.socket_dir):
        if process.poll() is not None:
            what = f"PostgreSQL in {server.folder} ended with {process.returncode}."
            raise server_not_started(what, _log_tail(server))
        if asyncio.get_running_loop().time() > deadline_s:
            what = f"PostgreSQL in {server.folder} takes no connections."
            raise server_not_started(what, _log_tail(server))
        await asyncio.sleep(0.01)


def stop_server(server: Server, process: "subprocess.Popen[bytes]") -> None:
    """End the server in good order, and by force where that takes too long; blocks."""
    if stop(process, patience=server_patience()) < 0:
        # Killed by a signal, it could not end its children.
        end_leftovers(server.folder)


def _spawn(server: Server) -> "subprocess.Popen[bytes]":
    path = server.log_file
    mode = "wb" if path.exists() and path.stat().st_size > MAX_LOG_BYTES else "ab"
    with path.open(mode) as output:
        return spawn(server.command(), identity=server.account.identity, output=output.fileno())


async def answers(socket_dir: Path) -> bool:
    """Whether the server takes connections and queries."""
    try:
        connection = await asyncpg.connect(
            host=str(socket_dir), port=PORT, user=SUPERUSER, database="postgres", timeout=2
        )
        try:
            await connection.execute("select 1", timeout=2)
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def _log_tail(server: Server) -> str:
    with suppress(OSError):
        return server.log_file.read_text(errors="replace")[-LOG_TAIL_CHARS:].strip()
    return ""
