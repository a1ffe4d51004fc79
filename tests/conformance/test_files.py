"""Original files, kept in the database and in a bucket of Supabase Storage."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from app.container import open_ports
from app.core.ids import new_id
from app.ports.files import Files
from tests.support.storage_server import storage_server

pytestmark = pytest.mark.anyio
ONE, OTHER = new_id(), new_id()
KEY = "sb_secret_of_the_tests"
LARGEST = bytes(range(256)) * (25 * 4096)  # 25 MiB


@pytest.fixture
async def database(postgres_settings) -> AsyncIterator[Files]:
    async with open_ports(postgres_settings) as ports:
        yield ports.files


@pytest.fixture
async def bucket(postgres_settings) -> AsyncIterator[Files]:
    async with storage_server(KEY) as storage:
        fields = {
            "supabase_url": storage.url,
            "supabase_service_key": SecretStr(KEY),
            "supabase_bucket": "originais",
        }
        async with open_ports(postgres_settings.model_copy(update=fields)) as ports:
            yield ports.files


@pytest.fixture(params=["database", "bucket"])
def files(request) -> Files:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", "ação".encode(), LARGEST])
async def test_bytes_come_back_as_they_went_in(files, content):
    await files.put(ONE, "chave", content)
    assert await files.get(ONE, "chave") == content


async def test_what_was_never_put_is_none(files):
    assert await files.get(ONE, "chave") is None
    await files.delete(ONE, "chave")


async def test_the_same_key_again_replaces(files):
    await files.put(ONE, "chave", b"1")
    await files.put(ONE, "chave", LARGEST)
    await files.put(ONE, "chave", b"3")
    assert await files.get(ONE, "chave") == b"3"


async def test_what_is_deleted_is_gone(files):
    await files.put(ONE, "chave", b"1")
    await files.delete(ONE, "chave")
    assert await files.get(ONE, "chave") is None


async def test_organizations_do_not_see_each_others(files):
    await files.put(ONE, "chave", b"1")
    assert await files.get(OTHER, "chave") is None
    await files.put(OTHER, "chave", b"2")
    await files.delete(OTHER, "chave")
    assert await files.get(ONE, "chave") == b"1"


async def test_many_at_once_stay_apart(files):
    keys = [new_id() for _ in range(20)]
    async with asyncio.TaskGroup() as tasks:
        for key in keys:
            tasks.create_task(files.put(ONE, key, key.encode()))
    assert [await files.get(ONE, key) for key in keys] == [key.encode() for key in keys]
