"""The operating-system user that PostgreSQL runs as: ourselves, or one of our making for root."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.adapters.store.bundled.children import ENVIRONMENT, Finished, Identity, run
from app.adapters.store.bundled.failure import OWN_DATABASE, AccountUnavailable

NAME = "agentes-postgres"
_FALLBACK_NAME = "nobody"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Account:
    """A user that PostgreSQL runs as."""

    uid: int
    gid: int

    @property
    def identity(self) -> Identity:
        return Identity() if self.uid == os.geteuid() else Identity(self.uid, self.gid)

    async def run(self, *command: str, timeout_s: float = 60) -> Finished:
        """Run a command as this user."""
        return await run(*command, identity=self.identity, timeout_s=timeout_s)

    async def can_write(self, folder: Path) -> bool:
        """Whether this user really gets into the folder and writes there; it is tried."""
        # By a shell and not by Python: the interpreter itself may lie below a 0700 /root.
        # Mode bits alone would miss ACLs, read-only mounts and squashed network folders.
        script = 'cd "$1" && : >.writable && rm .writable'
        return (await self.run("/bin/sh", "-c", script, "sh", str(folder))).ok

    def own(self, path: Path) -> None:
        """Give this user a file or folder that we have just made."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def is_root() -> bool:
    """Whether we run as root, as which PostgreSQL refuses to run."""
    return os.geteuid() == 0


def own_account() -> Account:
    """The user we run as ourselves."""
    return Account(os.geteuid(), os.getegid())


def owner_of(folder: Path) -> Account:
    """The user that a folder belongs to."""
    status = folder.stat()
    return Account(status.st_uid, status.st_gid)


async def unprivileged_account() -> Account:
    """The system user for PostgreSQL under root, made when there is none yet."""
    account = _named(NAME)
    if account is None:
        await _create()
        account = _named(NAME)
    if account is None:
        account = _named(_FALLBACK_NAME)
        log.warning("postgres_account_falls_back", account=_FALLBACK_NAME)
    if account is None or account.uid == 0:
        raise AccountUnavailable(
            "PostgreSQL refuses to run as root, and there is no user it could run as: "
            f"{NAME} could not be created and {_FALLBACK_NAME} does not exist. "
            f"Create a system user {NAME}, run the service as an ordinary user, {OWN_DATABASE}."
        )
    await _require_switching(account)
    return account


async def _create() -> None:
    for tool, arguments in (
        (
            "useradd",
            (
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                NAME,
            ),
        ),
        # busybox; the Debian tool of this name needs useradd and is never reached.
        ("adduser", ("-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", NAME)),
    ):
        path = shutil.which(tool, path=ENVIRONMENT["PATH"])
        if path is None:
            continue
        result = await run(path, *arguments)
        # Another service of ours may have made it in the same moment.
        if result.ok or _named(NAME) is not None:
            log.info("postgres_account_created", account=NAME)
            return
        log.warning("postgres_account_not_created", tool=tool, output=result.output)


async def _require_switching(account: Account) -> None:
    result = await account.run("/bin/sh", "-c", ":")
    if not result.ok:
        raise AccountUnavailable(
            f"PostgreSQL refuses to run as root, and no process can be started as user id "
            f"{account.uid} ({result.output}). Allow this container to change users "
            f"(CAP_SETUID, CAP_SETGID), run the service as an ordinary user, {OWN_DATABASE}."
        )


def _named(name: str) -> Account | None:
    import pwd  # exists on Unix only, and Windows must get as far as its own clear failure

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)
