"""One PostgreSQL server process: its cluster made, started, watched and stopped."""

import asyncio
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import structlog

from app.adapters.store.bundled.account import Account
from app.adapters.store.bundled.binaries import Binaries
from app.adapters.store.bundled.children import spawn, stop, to_the_end
from app.adapters.store.bundled.failure import server_not_started
from app.adapters.store.bundled.folders import holds_cluster, private_folder
from app.adapters.store.bundled.leftovers import end_leftovers

PORT = 5432
SUPERUSER = "postgres"
MAX_LOG_BYTES = 5_000_000
LOG_TAIL_CHARS = 2000
START_TIMEOUT_S = 60.0
STOP_PATIENCE = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0))
DRAFT_PREFIX = ".initdb-"
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
    for leftover in parent.glob(f"{DRAFT_PREFIX}*"):
        await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
    if holds_cluster(server.folder):
        return
    draft = await asyncio.to_thread(private_folder, parent, DRAFT_PREFIX, server.account)
    locale = ["--locale-provider=builtin"] if server.binaries.major_version >= 17 else []
    result = await server.account.run(
        str(server.binaries.bin / "initdb"),
        *("-D", str(draft), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
        *("--locale=C.UTF-8" if locale else "--locale=C", *locale, "--no-instructions"),
        *(() if server.durable else ("--no-sync",)),
    )
    if not result.ok:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        raise server_not_started(f"The cluster in {server.folder} was not made.", result.output)
    with suppress(OSError):
        server.folder.rmdir()
    draft.rename(server.folder)
    log.info("postgres_cluster_made", folder=str(server.folder))


async def start(server: Server) -> "subprocess.Popen[bytes]":
    """Start the server and return when it takes connections.

    Raises:
        ServerNotStarted: it ended or did not answer; with the last lines of its log.
    """
    await to_the_end(partial(end_leftovers, server.folder))
    process = await to_the_end(partial(_spawn, server))
    deadline_s = asyncio.get_running_loop().time() + START_TIMEOUT_S
    try:
        while not await answers(server.socket_dir):
            if process.poll() is not None:
                what = f"PostgreSQL in {server.folder} ended with {process.returncode}."
                raise server_not_started(what, _log_tail(server))
            if asyncio.get_running_loop().time() > deadline_s:
                what = f"PostgreSQL in {server.folder} takes no connections."
                raise server_not_started(what, _log_tail(server))
            await asyncio.sleep(0.01)
    except BaseException:
        await to_the_end(partial(stop, process, patience=STOP_PATIENCE))
        raise
    return process


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
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


def _log_tail(server: Server) -> str:
    with suppress(OSError):
        return server.log_file.read_text(errors="replace")[-LOG_TAIL_CHARS:].strip()
    return ""
