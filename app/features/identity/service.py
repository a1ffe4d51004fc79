"""Whose a credential is, and the key that a newcomer finds in the data folder."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from app.core.clock import Clock
from app.core.ids import OrganizationId
from app.features.identity.keys import ApiKey, new_key, read_key
from app.features.identity.repository import IdentityRepository, StoredKey
from app.ports import Ports
from app.ports.cache import Cache
from app.ports.store import StoreUnavailable
from app.web.auth import WWW_AUTHENTICATE, Caller, InvalidCredential

LOCAL = "local"
# A revoked key is dead everywhere within this time.
CACHE_S = 5.0
log = structlog.get_logger(__name__)


class IdentityService:
    """Checks credentials."""

    def __init__(
        self, repository: IdentityRepository, cache: Cache, clock: Clock, first_key: "FirstKey"
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._clock = clock
        self._first_key = first_key

    async def authenticate(self, credential: str) -> Caller:
        """The caller of an API key; every failure looks the same from outside.

        Raises:
            InvalidCredential: malformed, unknown, expired or revoked.
        """
        await self._first_key.register()
        key = read_key(credential)
        stored = await self._find(key.public_id) if key else None
        if key is None or stored is None or not key.matches(stored.secret_sha256):
            raise _refused()
        expired = stored.expires_at is not None and stored.expires_at <= self._clock.now()
        if expired or stored.revoked_at is not None:
            raise _refused()
        return Caller(
            OrganizationId(stored.organization_id), f"api_key:{stored.id}", frozenset(stored.scopes)
        )

    async def _find(self, public_id: str) -> StoredKey | None:
        async def load() -> Any:
            found = await self._repository.find_key(public_id)
            return None if found is None else found.model_dump(mode="json")

        row = await self._cache.fetch(f"api_key:{public_id}", load, ttl_s=CACHE_S)
        return None if row is None else StoredKey.model_validate(row)


def _refused() -> InvalidCredential:
    return InvalidCredential("The API key is not valid.", headers=WWW_AUTHENTICATE)


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


async def open_local_organization(ports: Ports) -> IdentityService:
    """The organization `local` and the key in `DATA_DIR/api_key`, both made at the first start.

    A key file that the database does not know (a new database over an old folder) is registered
    again, so the file is always the truth.
    """
    repository = IdentityRepository(ports.database)
    path = ports.settings.data_dir / "api_key"
    kept = _kept_key(path)
    key = kept or new_key()
    if kept is None:
        _keep(path, key)
        log.info("api_key_created", kept_in=str(path))
        # Once, on standard output and not in the log: logs are collected and kept.
        sys.stdout.write(f"API key of the organization {LOCAL} (kept in {path}): {key.text}\n")
        sys.stdout.flush()
    first_key = FirstKey(repository, key)
    with suppress(StoreUnavailable):
        await first_key.register()
    return IdentityService(repository, ports.cache, ports.clock, first_key)


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
