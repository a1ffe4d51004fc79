"""A bucket of Supabase Storage beside a database: what dies, breaks or is not let in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pydantic import SecretStr

from app.adapters.files.bucket import BucketFiles, open_bucket_files
from app.adapters.files.database import DatabaseFiles
from app.container import open_ports
from app.core.ids import new_id
from app.core.settings import Settings
from app.ports.files import FilesRefused, FilesUnavailable
from app.ports.store import Database
from tests.support.storage_server import StorageServer, storage_server

pytestmark = pytest.mark.anyio
ORG = new_id()
KEY, BUCKET = "sb_secret_of_the_tests", "originais"


@pytest.fixture
async def database(postgres_settings) -> AsyncIterator[Database]:
    async with open_ports(postgres_settings) as ports:
        yield ports.database


@pytest.fixture
async def storage() -> AsyncIterator[StorageServer]:
    async with storage_server(KEY) as storage:
        yield storage


@asynccontextmanager
async def opened(
    storage: StorageServer, database: Database, key: str = KEY, remove_every_s: float = 60
) -> AsyncIterator[BucketFiles]:
    settings = Settings(
        supabase_url=storage.url, supabase_service_key=SecretStr(key), supabase_bucket=BUCKET
    )
    async with open_bucket_files(settings, database, remove_every_s=remove_every_s) as files:
        assert isinstance(files, BucketFiles)
        yield files


@pytest.fixture
async def files(storage, database) -> AsyncIterator[BucketFiles]:
    async with opened(storage, database) as files:
        yield files


async def test_the_bucket_is_made_once_and_is_not_public(storage, database):
    for _ in range(2):
        async with opened(storage, database):
            pass
    assert storage.options[BUCKET]["public"] is False
    assert storage.asked.count("POST /storage/v1/bucket") == 1


async def test_bytes_lie_in_the_bucket_under_their_organization_and_not_in_the_database(
    files, storage, connection
):
    await files.put(ORG, "chave", b"conteudo")
    (name,) = storage.objects(BUCKET)
    assert name.startswith(f"{ORG}/chave/")
    assert await connection.fetchval("select content from agentes.files") is None
    assert await connection.fetchval("select object from agentes.files") == name


async def test_what_is_deleted_or_replaced_leaves_the_bucket(files, storage):
    await files.put(ORG, "a", b"1")
    await files.put(ORG, "a", b"2")
    await files.put(ORG, "b", b"3")
    await files.delete(ORG, "b")
    await files.remove_deleted()
    assert list(storage.objects(BUCKET).values()) == [b"2"]
    assert await files.get(ORG, "a") == b"2"


async def test_whatever_deletes_the_row_the_object_goes(files, storage, connection):
    await files.put(ORG, "a", b"1")
    await connection.execute("delete from agentes.files")
    await files.remove_deleted()
    assert storage.objects(BUCKET) == {}


async def test_the_removal_goes_on_in_the_background_and_survives_a_failing_storage(
    storage, database, connection
):
    async with opened(storage, database, remove_every_s=0.05) as files:
        await files.put(ORG, "a", b"1")
        storage.broken = 503
        await files.delete(ORG, "a")
        await asyncio.sleep(0.3)
        storage.broken = None
        assert len(storage.objects(BUCKET)) == 1
        # Claimed and not reported: it comes again when its time has run out.
        await connection.execute("update agentes.file_removals set due_at = now()")
        async with asyncio.timeout(5):
            while storage.objects(BUCKET):
                await asyncio.sleep(0.02)


async def test_an_upload_that_never_became_a_file_is_removed_after_an_hour(
    files, storage, connection
):
    storage.buckets[BUCKET][f"{ORG}/a/1"] = b"half an upload"
    await connection.execute(
        "insert into agentes.file_removals (organization_id, object, due_at)"
        " values ($1, $2, now() + interval '1 hour')",
        ORG,
        f"{ORG}/a/1",
    )
    await files.remove_deleted()
    assert len(storage.objects(BUCKET)) == 1
    await connection.execute("update agentes.file_removals set due_at = due_at - interval '1 hour'")
    await files.remove_deleted()
    assert storage.objects(BUCKET) == {}
    assert await connection.fetchval("select count(*) from agentes.file_removals") == 0


async def test_an_object_that_is_being_removed_becomes_no_file(files, database, connection):
    scope, name = database.scoped(ORG), f"{ORG}/a/1"
    await scope.call("file_object_announce_v1", object=name)
    await connection.execute("update agentes.file_removals set due_at = now()")
    assert await database.system().call("file_removals_claim_v1", limit=10) == [name]
    assert await scope.call("file_object_put_v1", key="a", object=name) is False
    assert await files.get(ORG, "a") is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 544])
async def test_a_storage_that_fails_for_a_while_is_unavailable(files, storage, status, connection):
    await files.put(ORG, "a", b"1")
    storage.broken = status
    with pytest.raises(FilesUnavailable):
        await files.put(ORG, "b", b"2")
    with pytest.raises(FilesUnavailable):
        await files.get(ORG, "a")
    storage.broken = None
    assert await files.get(ORG, "a") == b"1"
    assert await files.get(ORG, "b") is None
    assert await connection.fetchval("select count(*) from agentes.files") == 1


async def test_a_storage_that_is_not_there_is_waited_for(database):
    async with AsyncExitStack() as stack:
        async with storage_server(KEY) as gone:
            files = await stack.enter_async_context(opened(gone, database))
        with pytest.raises(FilesUnavailable):
            await files.put(ORG, "a", b"1")
    async with opened(gone, database):
        pass  # a service starts nevertheless


async def test_a_bucket_that_somebody_deleted_is_made_again(files, storage):
    storage.buckets.clear()
    await files.put(ORG, "a", b"1")
    assert await files.get(ORG, "a") == b"1"


async def test_an_object_that_somebody_deleted_is_none(files, storage):
    await files.put(ORG, "a", b"1")
    storage.buckets[BUCKET].clear()
    assert await files.get(ORG, "a") is None


async def test_a_key_that_is_not_taken_is_told_without_it(storage, database):
    with pytest.raises(FilesRefused, match="SUPABASE_SERVICE_KEY") as refused:
        async with opened(storage, database, key="sb_publishable_other"):
            pass
    assert "sb_publishable_other" not in str(refused.value)


async def test_what_the_database_had_before_is_read_and_replaced(files, storage, database):
    await DatabaseFiles(database).put(ORG, "a", b"earlier")
    assert await files.get(ORG, "a") == b"earlier"
    await files.put(ORG, "a", b"later")
    assert await files.get(ORG, "a") == b"later"
    await DatabaseFiles(database).put(ORG, "a", b"back again")
    assert await files.get(ORG, "a") == b"back again"
    await files.remove_deleted()
    assert storage.objects(BUCKET) == {}
