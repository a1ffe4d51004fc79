"""One first key for a database, in the folder of whoever made it, and nobody is locked out."""

import asyncio

import httpx2
import pytest
from pydantic import SecretStr

from app.container import open_ports
from app.features.identity.first_key import FirstKey
from app.features.identity.keys import new_key
from app.features.identity.repository import IdentityRepository
from tests.conftest import serving

pytestmark = pytest.mark.anyio
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = $1"


def kept_in(folder) -> str | None:
    path = folder / "api_key"
    return path.read_text().strip() if path.exists() else None


def in_folder(settings, folder):
    """As another container over the same database has them, with the same ENCRYPTION_KEY."""
    shared = (SecretStr("k" * 32),)
    return settings.model_copy(update={"data_dir": folder, "encryption_key": shared})


async def names(connection) -> list[str]:
    rows = await connection.fetch(
        "select name from agentes.api_keys where revoked_at is null order by id"
    )
    return [row["name"] for row in rows]


async def status(url, key) -> int:
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        headers = {"Authorization": f"Bearer {key}"}
        return (await client.get("/api/v2/agents", headers=headers)).status_code


@pytest.fixture
async def repository(settings, tmp_path):
    async with open_ports(in_folder(settings, tmp_path / "another")) as ports:
        yield IdentityRepository(ports.database)


@pytest.fixture
def start(repository, tmp_path):
    """What a start over this database does about keys; gives the key in its folder then."""

    async def started(name: str) -> str | None:
        await FirstKey(repository, tmp_path / name).register()
        return kept_in(tmp_path / name)

    return started


async def test_containers_that_come_and_go_share_one_key(settings, tmp_path, connection):
    async with serving(in_folder(settings, tmp_path / "one")):
        pass
    key = kept_in(tmp_path / "one")
    for name in ("two", "three"):
        async with serving(in_folder(settings, tmp_path / name)) as url:
            assert await status(url, key) == 200
        assert kept_in(tmp_path / name) is None
    async with serving(in_folder(settings, tmp_path / "one")) as url:
        assert kept_in(tmp_path / "one") == key
        assert await status(url, key) == 200
    assert await names(connection) == ["First key"]
    assert not list(tmp_path.glob("*/api_key.*")), "a copy of a key was left behind"
    assert (tmp_path / "one/api_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.once
async def test_replicas_that_start_at_once_make_one_key(repository, start, connection, tmp_path):
    organization = await repository.ensure_local()
    async with connection.transaction():
        await connection.execute(
            "select from agentes.organizations where id = $1::uuid for no key update", organization
        )
        starts = asyncio.gather(*(start(f"replica-{one}") for one in range(4)))
        database = await connection.fetchval("select current_database()")
        async with asyncio.timeout(10):
            while await connection.fetchval(WAITING, database) < 4:
                await asyncio.sleep(0.01)
    assert [key is None for key in await starts].count(False) == 1
    assert await names(connection) == ["First key"]


async def test_workers_that_share_a_folder_share_its_key(repository, tmp_path, connection):
    workers = [FirstKey(repository, tmp_path / "data") for _ in range(4)]
    await asyncio.gather(*(worker.register() for worker in workers))
    assert await names(connection) == ["First key"]
    assert kept_in(tmp_path / "data") is not None


@pytest.mark.parametrize(
    ("scopes", "ended", "stands_in"),
    [
        (["*"], None, True),
        (["keys:write", "chat"], None, False),
        (["*"], "revoked_at", True),
        (["*"], "expires_at", True),
    ],
)
async def test_a_key_that_may_do_everything_stands_in_also_when_it_has_ended(
    repository, start, connection, scopes, ended, stands_in
):
    await start("one")
    organization = await repository.ensure_local()
    await connection.execute("delete from agentes.api_keys")
    await repository.register_key(organization, new_key(), name="CRM", scopes=scopes)
    if ended:
        await connection.execute(f"update agentes.api_keys set {ended} = now() where name = 'CRM'")
    assert (await start("two") is None) == stands_in
    assert ("First key" in await names(connection)) != stands_in


async def test_who_revokes_the_last_such_key_gets_no_other_by_a_restart(
    settings, connection, client
):
    revoked = kept_in(settings.data_dir)
    await connection.execute("update agentes.api_keys set revoked_at = now()")
    async with serving(settings) as url:
        assert kept_in(settings.data_dir) == revoked
        assert await status(url, revoked) == 401
    assert await names(connection) == []


async def test_a_folder_of_elsewhere_is_left_as_it_is(
    repository, start, tmp_path, connection, settings
):
    (tmp_path / "old").mkdir()
    (tmp_path / "old/api_key").write_text(new_key().text + "\n")
    old = kept_in(tmp_path / "old")
    assert await start("old") == old  # a new database over an old folder takes its key
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray/api_key").write_text(new_key().text)
    stray = kept_in(tmp_path / "stray")
    assert await start("stray") == stray
    assert await names(connection) == ["First key"]
    async with serving(in_folder(settings, tmp_path / "third")) as url:
        assert [await status(url, key) for key in (old, stray)] == [200, 401]


async def test_a_file_without_a_key_is_written_anew(start, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/api_key").write_text("")
    assert (await start("one") or "").startswith("ac_live_")
