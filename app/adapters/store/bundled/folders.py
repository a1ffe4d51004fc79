"""The folders of the embedded PostgreSQL: where its cluster and its socket lie."""

import asyncio
import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.adapters.store.bundled.account import (
    Account,
    is_root,
    own_account,
    owner_of,
    unprivileged_account,
)
from app.adapters.store.bundled.children import to_the_end
from app.adapters.store.bundled.failure import OWN_DATABASE, DataFolderUnusable

SYSTEM_DIR = Path("/var/lib/agentes-de-conversao")
TRIAL_PREFIX = ".trial-"
_SOCKET_PREFIX = "agentes-pg-"
# sun_path holds 104 bytes on macOS and 108 on Linux, with the final zero.
_SOCKET_PATH_LIMIT = 103

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Site:
    """Where a cluster lies and as whom its PostgreSQL runs."""

    folder: Path
    account: Account


def visible_folder(folder: Path) -> None:
    """Make a folder, with the missing ones above it, that others can pass through."""
    if folder.is_dir():
        return
    visible_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask; nothing that existed before is touched


def require_own(folder: Path) -> None:
    """Refuse a folder of ours into which somebody else could put programs or data."""
    status = folder.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DataFolderUnusable(
            f"{folder} belongs to user id {status.st_uid} or can be written by others. "
            "Move it away; it is made anew at the next start."
        )


def holds_cluster(folder: Path) -> bool:
    """Whether something lies in this folder, which then has to be a cluster."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise DataFolderUnusable(
            f"{folder} belongs to user id {owner_of(folder).uid} and cannot be read by user id "
            f"{os.geteuid()}. Start the service as the user that made it, or as root."
        ) from error
    if names and "PG_VERSION" not in names:
        raise DataFolderUnusable(
            f"{folder} is not a PostgreSQL cluster: it has no file PG_VERSION. Put a backup in "
            "its place, or move it away to begin with an empty database."
        )
    return bool(names)


def kept_cluster(data_dir: Path, major_version: int) -> Path | None:
    """The cluster that this data folder has, wherever it lies."""
    folders = (parent / f"postgres-{major_version}" for parent in (data_dir, _elsewhere(data_dir)))
    return next(filter(holds_cluster, folders), None)


def _elsewhere(data_dir: Path) -> Path:
    return SYSTEM_DIR / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]


async def choose_site(data_dir: Path, major_version: int) -> Site:
    """The cluster that this data folder has, or the place where a first one can be made."""
    name = f"postgres-{major_version}"
    if kept := kept_cluster(data_dir, major_version):
        return await _existing(kept)
    elsewhere = _elsewhere(data_dir)
    if not is_root():
        return Site(data_dir / name, own_account())
    account = await unprivileged_account()
    if await _can_settle(account, data_dir):
        return Site(data_dir / name, account)
    await asyncio.to_thread(visible_folder, elsewhere)
    require_own(SYSTEM_DIR)
    require_own(elsewhere)
    if await _can_settle(account, elsewhere):
        log.warning("postgres_placed_elsewhere", data_dir=str(data_dir), folder=str(elsewhere))
        return Site(elsewhere / name, account)
    raise DataFolderUnusable(
        f"PostgreSQL, which runs as user id {account.uid}, can write neither below {data_dir} "
        f"nor below {elsewhere}. Choose a DATA_DIR that every user can reach, {OWN_DATABASE}."
    )


async def _existing(folder: Path) -> Site:
    account = owner_of(folder)
    if not is_root() and account.uid != os.geteuid():
        raise DataFolderUnusable(
            f"{folder} belongs to user id {account.uid}, and this is user id {os.geteuid()}. "
            "Start the service as the user that made it, or as root."
        )
    # Under root its owner goes on running it, whoever that is: an ordinary user who started
    # the service before, or our account under another number in an image since rebuilt.
    if account.uid == 0:
        account = await unprivileged_account()
        await asyncio.to_thread(_give, folder, account)
    if not await account.can_write(folder):
        raise DataFolderUnusable(
            f"User id {account.uid}, as which PostgreSQL runs, cannot reach its cluster "
            f"{folder} any more. Open the folders above it for that user, or move the cluster "
            "away to begin with an empty database."
        )
    return Site(folder, account)


def _give(folder: Path, account: Account) -> None:
    # A backup that root has put back; the cluster is ours with all that lies in it.
    for path in (*folder.rglob("*"), folder):
        account.own(path)


async def _can_settle(account: Account, parent: Path) -> bool:
    try:
        trial = await asyncio.to_thread(private_folder, parent, TRIAL_PREFIX, account)
    except OSError:
        return False
    try:
        return owner_of(trial).uid == account.uid and await account.can_write(trial)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def private_folder(parent: Path, prefix: str, account: Account) -> Path:
    """Make a folder with a name of its own that only this user (and root) can open."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        account.own(folder)
    except OSError:
        folder.rmdir()
        raise
    return folder


async def make_socket_dir(account: Account, *, port: int) -> Path:
    """Make a short private folder for the socket in a temp folder that this user can reach."""
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")):
        room = len(f"{parent}/{_SOCKET_PREFIX}12345678/.s.PGSQL.{port}".encode())
        if room > _SOCKET_PATH_LIMIT:
            continue
        folder = await _socket_dir_in(Path(parent), account)
        if folder is not None:
            return folder
    raise DataFolderUnusable(
        f"No temp folder can be written by user id {account.uid}, as which PostgreSQL runs. "
        f"Make /tmp writable, {OWN_DATABASE}."
    )


async def _socket_dir_in(parent: Path, account: Account) -> Path | None:
    made: list[Path] = []
    usable = False
    try:
        # Into a list, as a cancellation in this moment would lose what is returned.
        await to_the_end(lambda: made.append(private_folder(parent, _SOCKET_PREFIX, account)))
        usable = await account.can_write(made[0])
    except OSError:
        return None
    finally:
        if not usable:
            for folder in made:
                remove_socket_dir(folder)
    return made[0] if usable else None


def restore_socket_dir(folder: Path, account: Account) -> None:
    """Clear a socket folder of what a killed postmaster left, or make it anew."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        account.own(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid:
        raise DataFolderUnusable(f"{folder} has been replaced by somebody else's.")
    _clear_socket_dir(folder)


def remove_socket_dir(folder: Path) -> None:
    """Remove a socket folder of ours with the socket in it, if it is still there."""
    if not folder.name.startswith(_SOCKET_PREFIX):
        return
    with suppress(OSError):
        _clear_socket_dir(folder)
        folder.rmdir()


def _clear_socket_dir(folder: Path) -> None:
    for path in folder.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)
