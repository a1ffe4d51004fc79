"""Files in a bucket of Supabase Storage, by `SUPABASE_BUCKET`; the database knows its objects.

The two share no transaction. An object is announced to the database as one to be removed, then
sent, then made a file; whatever dies in between leaves nothing behind for longer than an hour.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any

import httpx2
import structlog

from app.adapters.files.database import DatabaseFiles
from app.core.background import kept_up
from app.core.errors import Problem
from app.core.ids import OrganizationId, new_id
from app.core.settings import Settings
from app.ports.files import Files, FilesRefused, FilesUnavailable
from app.ports.store import Database

AT_ONCE = 2
CONNECT_TIMEOUT_S = 5.0
# Between two pieces; over a whole file it is as many seconds as one of 25 MiB takes at 7 Mbit/s.
PIECE_TIMEOUT_S = 10.0
FILE_TIMEOUT_S = 30.0
REMOVE_EVERY_S = 60.0
REMOVED_AT_ONCE = 100
log = structlog.get_logger(__name__)


class _NotThere(Exception):
    """The bucket, or the object in it, does not exist."""


class _ThereAlready(Exception):
    """Somebody else has made it meanwhile."""


@contextmanager
def _translated_failures() -> Generator[None]:
    try:
        yield
    except httpx2.HTTPStatusError as error:
        raise _failure(error.response) from error
    except (httpx2.HTTPError, OSError) as error:  # TimeoutError is an OSError
        raise FilesUnavailable from error
    except (TypeError, ValueError) as error:
        raise FilesRefused(
            "SUPABASE_URL is not answered by a project with Storage: it has to be the project's API"
            " address, as in https://<project>.supabase.co."
        ) from error


def _failure(response: httpx2.Response) -> Exception:
    """Storage answers most failures with 400 and says in the body which status it means.

    https://supabase.com/docs/guides/storage/debugging/error-codes
    """
    try:
        meant = int(response.json()["statusCode"])
    except (ValueError, KeyError, TypeError):
        meant = response.status_code
    if meant == 404:
        return _NotThere()
    if meant == 409:
        return _ThereAlready()
    if meant in (401, 403):
        return FilesRefused(
            "Supabase Storage does not take SUPABASE_SERVICE_KEY: it has to be the project's secret"
            " key (or `service_role` key), and no other."
        )
    if meant in (408, 429) or meant >= 500:
        return FilesUnavailable()
    return FilesRefused()


class BucketFiles:
    """What is put goes to the bucket; what the database has had before stays readable there."""

    def __init__(self, storage: Any, bucket: str, database: Database) -> None:
        self._storage = storage
        self._bucket = bucket
        self._database = database
        self._earlier = DatabaseFiles(database, at_once=AT_ONCE)

    def room(self, size_bytes: int) -> AbstractAsyncContextManager[object]:
        return self._earlier.room(size_bytes)

    async def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        scope = self._database.scoped(organization_id)
        # A name of its own: what replaces a file never meets the removal of the earlier one.
        name = f"{organization_id}/{key}/{new_id()}"
        await scope.call("file_object_announce_v1", object=name)
        try:
            await self._send(name, content)
        except _NotThere:
            await self.make_bucket()
            await self._send_into_a_bucket(name, content)
        if not await scope.call("file_object_put_v1", key=key, object=name):
            raise FilesUnavailable

    async def get(self, organization_id: OrganizationId, key: str) -> bytes | None:
        scope = self._database.scoped(organization_id)
        while name := await scope.call("file_object_v1", key=key):
            try:
                async with self._asking():
                    return await self._storage.from_(self._bucket).download(name)
            except _NotThere:
                if await scope.call("file_object_v1", key=key) == name:
                    log.exception("file_not_in_bucket", object=name)
                    return None  # otherwise it was replaced meanwhile
        return await self._earlier.get(organization_id, key)

    async def delete(self, organization_id: OrganizationId, key: str) -> None:
        await self._earlier.delete(organization_id, key)

    async def make_bucket(self) -> None:
        """Make the bucket, which nobody can read without a key, unless it is there.

        Raises:
            FilesUnavailable: Storage does not answer.
            FilesRefused: it does not take the key.
        """
        try:
            async with self._asking():
                await self._storage.get_bucket(self._bucket)
        except _NotThere:
            with suppress(_ThereAlready):
                async with self._asking():
                    await self._storage.create_bucket(self._bucket, options={"public": False})

    async def remove_deleted(self) -> None:
        """Remove the objects of files that have been deleted or replaced, or never came to be."""
        system = self._database.system()
        while names := await system.call("file_removals_claim_v1", limit=REMOVED_AT_ONCE):
            with suppress(_NotThere):  # a bucket that is gone has none of them
                async with self._asking():
                    await self._storage.from_(self._bucket).remove(names)
            await system.call("file_removals_done_v1", objects=names)

    async def keep_removing(self, every_s: float) -> None:
        while True:
            try:
                await self.remove_deleted()
            except Problem as problem:
                log.warning("file_removal_postponed", code=problem.code())
            await asyncio.sleep(every_s)

    async def _send_into_a_bucket(self, name: str, content: bytes) -> None:
        try:
            await self._send(name, content)
        except _NotThere as again:  # somebody removes it as fast as it is made
            raise FilesUnavailable from again

    async def _send(self, name: str, content: bytes) -> None:
        # Nobody else has a name like this one: what is there already is what was sent.
        with suppress(_ThereAlready):
            async with self._asking():
                await self._storage.from_(self._bucket).upload(
                    name, content, {"content-type": "application/octet-stream"}
                )

    @asynccontextmanager
    async def _asking(self) -> AsyncGenerator[None]:
        with _translated_failures():
            async with asyncio.timeout(FILE_TIMEOUT_S):
                yield


@asynccontextmanager
async def open_bucket_files(
    settings: Settings, database: Database, *, remove_every_s: float = REMOVE_EVERY_S
) -> AsyncGenerator[Files]:
    """The bucket named in the settings, made where it is missing.

    Raises:
        FilesRefused: Storage does not take the key. Where it does not answer, it is waited for.
    """
    url, key = settings.supabase_url, settings.supabase_service_key
    bucket = settings.supabase_bucket
    if url is None or key is None or bucket is None:
        raise ValueError("SUPABASE_URL, SUPABASE_SERVICE_KEY and SUPABASE_BUCKET are not all set")
    supabase = await asyncio.to_thread(import_module, "supabase")
    timeout = httpx2.Timeout(PIECE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as http:
        options = supabase.AsyncClientOptions(
            httpx_client=http, auto_refresh_token=False, persist_session=False
        )
        client = await supabase.acreate_client(url, key.get_secret_value(), options)
        files = BucketFiles(client.storage, bucket, database)
        try:
            await files.make_bucket()
        except FilesUnavailable:
            log.warning("file_bucket_not_reached", bucket=bucket)
        removing = asyncio.get_running_loop().create_task(
            kept_up(partial(files.keep_removing, remove_every_s))
        )
        try:
            yield files
        finally:
            removing.cancel()
            await asyncio.wait((removing,))
