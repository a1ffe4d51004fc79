"""Making a new cluster with initdb, so that it is there whole or not at all."""

import asyncio
import os
import shutil
from pathlib import Path

import structlog

from app.adapters.store.bundled.binaries import Binaries
from app.adapters.store.bundled.failure import server_not_started
from app.adapters.store.bundled.folders import Site, holds_cluster, private_folder
from app.adapters.store.bundled.leftovers import kill_all

SUPERUSER = "postgres"
_INITDB_TIMEOUT_S = 300
_BUILTIN_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# macOS before 15 has no C.UTF-8 of its own, nor have slim images with an old glibc.
_LOCALES = {
    16: (("--locale=C.UTF-8",), ("--locale=C",)),
    18: ((*_BUILTIN_LOCALE, "--locale=C.UTF-8"), (*_BUILTIN_LOCALE, "--locale=C")),
}

log = structlog.get_logger(__name__)


async def make_cluster(site: Site, binaries: Binaries, *, durable: bool) -> bool:
    """Make the cluster unless it is there; tells whether it had to be made."""
    prefix = f".{site.folder.name}.new-"
    await _remove_unfinished(site, prefix)
    if holds_cluster(site.folder):
        return False
    staging = await asyncio.to_thread(private_folder, site.folder.parent, prefix, site.account)
    try:
        await _initdb(site, binaries, staging)
        if durable:
            await _run_initdb(site, binaries, staging, "--sync-only")
        # A rename is the one step that a kill or a power cut finds either done or not done.
        await asyncio.to_thread(_rename, staging, site.folder, durable=durable)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return True


async def _initdb(site: Site, binaries: Binaries, staging: Path) -> None:
    *attempts, last = _LOCALES[binaries.major_version]
    fixed = ("--no-sync", "--encoding=UTF8", f"--username={SUPERUSER}", "--auth=trust")
    for locale in attempts:
        said = await _said_by_initdb(site, binaries, staging, *fixed, *locale)
        if said is None:
            return
        if "locale" not in said:
            raise _failed(site, said)
        log.warning("postgres_locale_missing", output=said)
    await _run_initdb(site, binaries, staging, *fixed, *last)


async def _run_initdb(site: Site, binaries: Binaries, staging: Path, *options: str) -> None:
    said = await _said_by_initdb(site, binaries, staging, *options)
    if said is not None:
        raise _failed(site, said)


async def _said_by_initdb(
    site: Site, binaries: Binaries, staging: Path, *options: str
) -> str | None:
    command = (str(binaries.bin / "initdb"), f"--pgdata={staging}", *options)
    result = await site.account.run(*command, timeout_s=_INITDB_TIMEOUT_S)
    return None if result.ok else result.output


def _failed(site: Site, said: str) -> Exception:
    return server_not_started(f"initdb could not make the cluster {site.folder}.", said)


def _rename(staging: Path, folder: Path, *, durable: bool) -> None:
    staging.rename(folder)
    if durable:
        parent = os.open(folder.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


async def _remove_unfinished(site: Site, prefix: str) -> None:
    for leftover in site.folder.parent.glob(f"{prefix}*"):
        # An initdb outlives the kill -9 of its parent; it gives up once its server is gone.
        await kill_all(leftover, site.account)
        await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
        log.info("postgres_unfinished_cluster_removed", folder=str(leftover))
