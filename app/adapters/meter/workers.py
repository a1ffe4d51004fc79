"""Where the workers of one server keep their figures, so that each can show those of all."""

import os
import shutil
import sys
from pathlib import Path
from tempfile import gettempdir

import psutil

from app.core.errors import CannotStart

_PREFIX = "agentes-metrics-"


def folder_of_workers() -> Path:
    """One for all workers of this server; those of servers that have ended are removed.

    Raises:
        CannotStart: somebody else has put something in its place.
    """
    folder = _folder_of(psutil.Process(os.getppid()))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"{folder}: {error.strerror}. Set another TMPDIR.") from None
    if not _is_ours(folder):
        raise CannotStart(f"{folder} belongs to somebody else: remove it, or set another TMPDIR.")
    for other in folder.parent.glob(f"{_PREFIX}*"):
        if _is_ours(other) and not _is_used(other):
            shutil.rmtree(other, ignore_errors=True)
    return folder


def pids_in(folder: Path) -> tuple[set[int], set[int]]:
    """The workers that live, and those that have left figures behind."""
    children = {child.pid for child in psutil.Process(os.getppid()).children()}
    known = {int(file.stem.rpartition("_")[2]) for file in folder.glob("*.db")}
    return known & children, known - children


def _folder_of(server: psutil.Process) -> Path:
    # A number alone comes again, as the 1 of a container does.
    return Path(gettempdir(), f"{_PREFIX}{server.pid}-{server.create_time():.2f}")


def _is_used(folder: Path) -> bool:
    try:
        pid = int(folder.name.removeprefix(_PREFIX).partition("-")[0])
        return _folder_of(psutil.Process(pid)) == folder
    except (ValueError, psutil.Error):
        return False


def _is_ours(folder: Path) -> bool:
    if sys.platform == "win32":
        return folder.is_dir()
    found = folder.lstat()
    return found.st_uid == os.getuid() and folder.is_dir() and not folder.is_symlink()
