"""Ending the processes and files that a killed service or a killed postmaster left behind."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import structlog

from app.adapters.store.bundled.account import Account
from app.adapters.store.bundled.failure import ServerNotStarted
from app.adapters.store.bundled.folders import Site

_PID_FILE = "postmaster.pid"
_ORPHAN_PATIENCE = ((signal.SIGINT, 15.0), (signal.SIGTERM, 0.0))
_POLL_S = 0.02
_KILL_PATIENCE_S = 10.0
# Every postgres process has its cluster as its working folder, which other users may not read
# of it, and neither may root in a container without CAP_SYS_PTRACE; so its own user looks.
# A shell that somebody has opened there is told apart by its name. `-ef` needs no child
# process: 5 ms for 90 processes here. Without /proc (macOS) nothing is found.
_FIND = """
for p in /proc/[0-9]*; do
    [ "$p/cwd" -ef "$1" ] && read -r name <"$p/comm" && [ "$name" = postgres ] && echo "${p#/proc/}"
done 2>/dev/null
true
"""

log = structlog.get_logger(__name__)


async def clear_leftovers(site: Site) -> None:
    """Leave the cluster with no process in it and no pid file that keeps a new one out.

    An orphaned postmaster is stopped, not adopted: it is nobody's child, so its end could not
    be awaited; its socket folder may be gone; it may run older binaries, or other settings than
    the ones now asked for. A fast shutdown and a start took 0.1 s together here.
    """
    pids = await _pids_in(site.folder, site.account)
    postmaster = await asyncio.to_thread(_recorded_pid, site.folder)
    if postmaster is not None and await _is_postmaster(postmaster, pids, site.folder):
        log.warning("postgres_orphan_found", pid=postmaster, folder=str(site.folder))
        await _stop_orphan(postmaster, site)
    await kill_all(site.folder, site.account)
    await asyncio.to_thread(_remove_misleading_pid_file, site.folder)


async def kill_all(folder: Path, account: Account) -> None:
    """Kill the postgres processes of a folder: without a postmaster none can go on.

    A backend in the midst of a computation does not notice for itself that its postmaster
    died, and holds the shared memory that keeps a new one from starting.
    """
    deadline = time.monotonic() + _KILL_PATIENCE_S
    while pids := await _pids_in(folder, account):
        log.warning("postgres_lingering_killed", pids=sorted(pids), folder=str(folder))
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise ServerNotStarted(
                f"The old postgres processes {sorted(pids)} of {folder} cannot be ended. "
                "End them, or restart the machine, and start again."
            )
        await asyncio.sleep(_POLL_S)


async def _stop_orphan(pid: int, site: Site) -> None:
    """Ask for a fast shutdown, then for an immediate one."""
    for number, patience_s in ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if not await _is_postmaster(pid, await _pids_in(site.folder, site.account), site.folder):
                log.info("postgres_orphan_stopped", pid=pid)
                return
            await asyncio.sleep(_POLL_S)


async def _pids_in(folder: Path, account: Account) -> set[int]:
    result = await account.run("/bin/sh", "-c", _FIND, "sh", str(folder))
    return {int(line) for line in result.output.splitlines() if line.isdigit()}


async def _is_postmaster(pid: int, pids: set[int], folder: Path) -> bool:
    if pid in pids:
        return True
    if await asyncio.to_thread(Path("/proc/self").exists):
        return False
    result = await _command_of(pid)
    return "postgres" in result and str(folder) in result


def _recorded_pid(folder: Path) -> int | None:
    try:
        return int((folder / _PID_FILE).read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _remove_misleading_pid_file(folder: Path) -> None:
    # postgres itself clears a file whose process is dead, and first looks there for shared
    # memory still in use. It refuses to start though when an unrelated process, or a zombie
    # that nobody reaps, now has that number.
    pid = _recorded_pid(folder)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return
        (folder / _PID_FILE).unlink()
        log.info("postgres_stale_pid_file_removed", pid=pid)
