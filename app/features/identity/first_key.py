"""The key that a newcomer finds in the data folder, where nobody signs in through Clerk."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from app.core.kept_files import keep_anew, keep_once
from app.features.identity.keys import ApiKey, new_key, read_key
from app.features.identity.repository import LOCAL, IdentityRepository

ELSEWHERE = (
    "The database has had its first key, and no valid one is in this folder. Whoever has none makes"
    " another: python main.py key"
)
log = structlog.get_logger(__name__)


class FirstKey:
    """The first key of a database, kept in the data folder of the process that has made it.

    A database is given one where the organization `local` never had a key with all scopes that was
    not a person's. So containers that come and go, each with an empty folder, share one, and who
    revokes the last such key gets no other by a restart: `python main.py key` makes one.

    A key file stays what it is while its key is active. One that the database does not know (a new
    database over an old folder) is registered on the same condition.
    """

    def __init__(self, repository: IdentityRepository, data_dir: Path) -> None:
        self._repository = repository
        self._path = data_dir / "api_key"
        self._is_settled = False
        self._turn = asyncio.Lock()
        # Kept before it is registered, so that nothing dies with the only copy of a valid key.
        self._key, self._is_new = _kept_or_new(self._path)

    async def register(self) -> None:
        """Register it, and the organization `local` that it belongs to, if that is not done yet.

        Raises:
            StoreUnavailable: the database cannot be reached; nobody can be authenticated then.
        """
        if self._is_settled:
            return
        async with self._turn:
            if not self._is_settled:
                await self._settle()
                self._is_settled = True

    async def _settle(self) -> None:
        organization_id = await self._repository.ensure_local()
        outcome = await self._repository.register_first_key(organization_id, self._key)
        if outcome == "elsewhere":
            self._withdraw()
            log.info("api_key_elsewhere", organization=LOCAL, advice=ELSEWHERE)
        elif self._is_new:
            if _kept_key(self._path) != self._key:
                keep_anew(self._path, self._key.text)
            log.info("api_key_created", organization=LOCAL, kept_in=str(self._path))

    def _withdraw(self) -> None:
        """Leave no key behind that nobody takes; one that was there before may be of elsewhere."""
        if self._is_new and _kept_key(self._path) == self._key:
            self._path.unlink(missing_ok=True)


def _kept_or_new(path: Path) -> tuple[ApiKey, bool]:
    """The key in this file, and whether it was made just now.

    Workers share a folder: of those that start at once, one makes it.
    """
    if kept := _kept_key(path):
        return kept, False
    key = new_key()
    if not keep_once(path, key.text):
        if kept := _kept_key(path):
            return kept, False
        keep_anew(path, key.text)  # no key is in it
    return key, True


def _kept_key(path: Path) -> ApiKey | None:
    with suppress(FileNotFoundError):
        return read_key(path.read_text().strip())
    return None
