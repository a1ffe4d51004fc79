"""What an earlier PostgreSQL of the same folder left behind, found and ended before a new one."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import structlog

from app.adapters.store.bundled.failure import server_not_started
from app.adapters.store.bundled.folders import TRIAL_PREFIX

DRAFT_PREFIX = ".initdb-"
POLL_S = 0.02
ROUNDS = 3
Patience = Sequence[tuple[int, float]]
log = structlog.get_logger(__name__)


def server_patience() -> Patience:
    """How a postmaster is stopped: fast, then at once, then by force."""
    # Not a constant: Windows has no SIGQUIT, and must get as far as its own clear failure.
    return ((signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0))


def end_leftovers(folder: Path) -> None:
    """End the postmaster that a killed service left, and backends that a killed postmaster left.

    An orphan is stopped and not adopted: its socket folder, its settings and its version may be
    those of an older release of ours, and a start takes only a moment. Blocks.

    Raises:
        ServerNotStarted: one of them cannot be ended; a second server would damage the folder.
    """
    pid_file = folder / "postmaster.pid"
    found: list[psutil.Process] = []
    for _ in range(ROUNDS):
        found = _of_folder(folder)
        if not found:
            break
        _end_all(found, postmaster=_pid_in(pid_file))
    else:
        pids = ", ".join(str(process.pid) for process in found)
        raise server_not_started(f"PostgreSQL in {folder} still runs.", f"process {pids} stays")
    # Whoever wrote it is gone, or the number belongs to an unrelated process by now.
    if not _may_be_ours(_pid_in(pid_file)):
        pid_file.unlink(missing_ok=True)


def remove_drafts(parent: Path) -> None:
    """Remove what a start that was killed left half made, with the initdb that goes on; blocks."""
    for draft in (*parent.glob(f"{DRAFT_PREFIX}*"), *parent.glob(f"{TRIAL_PREFIX}*")):
        for process in (*_processes(partial(_makes, draft)), *_of_folder(draft)):
            _end(process, ((signal.SIGKILL, 1.0),))
        shutil.rmtree(draft, ignore_errors=True)


def _of_folder(folder: Path) -> list[psutil.Process]:
    """Processes named postgres that work in this folder: a postmaster, or its stray children."""
    wanted = str(folder.resolve())
    return _processes(lambda process: _is_postgres(process) and process.cwd() == wanted)


def _processes(wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and not _is_gone(process) and wanted(process):
                found.append(process)
    return found


def _makes(draft: Path, process: psutil.Process) -> bool:
    return process.name() == "initdb" and str(draft) in process.cmdline()


def _is_postgres(process: psutil.Process) -> bool:
    return process.name().startswith("postgres")


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _may_be_ours(pid: int | None) -> bool:
    """Whether a live postgres has this number whose folder we are not allowed to see."""
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        if _is_gone(process) or not _is_postgres(process):
            return False
        process.cwd()
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
    return False


def _pid_in(pid_file: Path) -> int | None:
    try:
        return abs(int(pid_file.read_text(errors="replace").split("\n")[0])) or None
    except (FileNotFoundError, ValueError):
        return None


def _end_all(found: Sequence[psutil.Process], *, postmaster: int | None) -> None:
    # The postmaster first: it takes its children with it in good order.
    for process in sorted(found, key=lambda process: process.pid != postmaster):
        if _is_gone(process):
            continue
        log.warning("postgres_orphan_stopped", pid=process.pid)
        # To a backend SIGINT only means that its query is cancelled.
        patience = server_patience()
        _end(process, patience if process.pid == postmaster else ((signal.SIGKILL, 3.0),))


def _end(process: psutil.Process, patience: Patience) -> None:
    for number, patience_s in patience:
        with suppress(psutil.Error):
            process.send_signal(number)
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            if _is_gone(process):
                return
            time.sleep(POLL_S)
