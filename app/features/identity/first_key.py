"""The key that a newcomer finds in the data folder, where nobody signs in through Clerk."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from app.features.identity.keys import ApiKey, new_key, read_key
from app.features.identity.repository import IdentityRepository

LOCAL = "local"
log = structlog.get_logger(__name__)


class FirstKey:
    """The key in the data folder, made known to the database as soon as that can be reached."""

    def __init__(self, repository: IdentityRepository, key: ApiKey) -> None:
        self._repository = repository
        self._key = key
        self._is_registered = False
        self._turn = asyncio.Lock()

    async def register(self) -> None:
        """Register it, and the organization `local` that it belongs to, if that is not done yet.

        Raises:
            StoreUnavailable: the database cannot be reached; nobody can be authenticated then.
        """
        if self._is_registered:
            return
        async with self._turn:
            if not self._is_registered:
                organization_id = await self._repository.ensure_organization(LOCAL, "Local")
                await self._repository.register_key(
                    organization_id, self._key, name="First key", scopes=["*"]
                )
                self._is_registered = True


def first_key(repository: IdentityRepository, data_dir: Path) -> FirstKey:
    """The key in `DATA_DIR/api_key`, made at the first start, and shown where a person looks on.

    A key file that the database does not know (a new database over an old folder) is registered
    again, so the file is always the truth.
    """
    path = data_dir / "api_key"
    kept = _kept_key(path)
    key = kept or new_key()
    if kept is None:
        _keep(path, key)
        log.info("api_key_created", kept_in=str(path))
        # Shown once, to a person: what is no terminal is collected and kept.
        shown = key.text if sys.stdout.isatty() else "read it there"
        sys.stdout.write(f"API key of the organization {LOCAL} (kept in {path}): {shown}\n")
        sys.stdout.flush()
    return FirstKey(repository, key)


def _kept_key(path: Path) -> ApiKey | None:
    with suppress(FileNotFoundError):
        return read_key(path.read_text().strip())
    return None


def _keep(path: Path, key: ApiKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(key.text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
