"""What an earlier PostgreSQL of the same folder left behind, found and ended before a new one."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

STOP_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0))
POLL_S = 0.02
log = structlog.get_logger(__name__)


def end_leftovers(folder: Path) -> None:
    """End the postmaster that a killed service left, and backends that a killed postmaster left.

    An orphan is stopped and not adopted: its socket folder, its settings and its version may be
    those of an older release of ours, and a start takes only a moment. Blocks.
    """
    pid_file = folder / "postmaster.pid"
    for process in _postmasters(folder):
        log.warning("postgres_orphan_stopped", pid=process.pid)
        _stop(process)
    # Whoever wrote it is gone, or the number belongs to an unrelated process by now.
    with suppress(FileNotFoundError):
        pid_file.unlink()


def _postmasters(folder: Path) -> list[psutil.Process]:
    """Processes named postgres that work in this folder: a postmaster, or its stray children."""
    wanted = str(folder.resolve())
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["name"]):
        if not str(process.info["name"]).startswith("postgres") or process.pid == os.getpid():
            continue
        with suppress(psutil.Error):
            if process.cwd() == wanted:
                found.append(process)
    # The postmaster first: it takes its children with it in good order.
    return sorted(found, key=lambda process: process.create_time())


def _stop(process: psutil.Process) -> None:
    for number, patience_s in STOP_PATIENCE:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return
            time.sleep(POLL_S)
