"""The first key as operators meet it: in the log, and by `python main.py key`."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.adapters.store.bundled import served_cluster
from app.features.identity.keys import read_key
from tests.conftest import connect, database_url, serving
from tests.end_to_end.test_migrating import run
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.service import Service, running_service

pytestmark = [pytest.mark.anyio, pytest.mark.once]
KEYS = "/api/v2/settings/api-keys"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


def holding(url, key):
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=20)


async def made(*options: str, **variables: str) -> str:
    """The key that the command has printed, and nothing else."""
    code, said, told = await run("main.py", "key", *options, **variables)
    assert (code, told) == (0, "")
    assert said.count("\n") == 1
    assert read_key(said.strip())
    return said.strip()


def lines(service: Service) -> list[dict[str, object]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


async def test_the_log_tells_in_its_own_form_where_the_key_is(data_dir, cluster, database_name):
    shared = {"DATABASE_URL": database_url(cluster, database_name), "ENCRYPTION_KEY": "k" * 32}
    async with running_service(data_dir, **shared) as service:
        (told,) = (line for line in lines(service) if line["event"] == "api_key_created")
        assert told["kept_in"] == str(data_dir / "api_key")
        key = service.key
    elsewhere = data_dir.parent / "other" / "data"
    async with running_service(elsewhere, key=key, **shared) as other:
        (told,) = (line for line in lines(other) if line["event"] == "api_key_elsewhere")
        assert "python main.py key" in str(told["advice"])
        async with other.client() as client:
            assert (await client.get(KEYS)).status_code == 200
    async with running_service(data_dir, **shared) as again:
        assert again.key == key
    events = [line["event"] for line in lines(again)]
    assert (events.count("api_key_created"), events.count("api_key_elsewhere")) == (1, 0)
    secret = key.split("_")[3]
    assert secret not in service.log.read_text() + other.log.read_text()


async def test_the_command_makes_a_key_that_is_printed_once_and_audited(
    postgres_settings, cluster, database_name
):
    url = database_url(cluster, database_name)
    first = await made(DATABASE_URL=url)  # also over a database that no service has seen
    named = await made("--name", " Ops ", "--expires-in-days", "2", DATABASE_URL=url)
    async with serving(postgres_settings) as address, holding(address, named) as client:
        assert not (postgres_settings.data_dir / "api_key").exists(), "the first stands in"
        ops, other = (await client.get(KEYS)).json()["data"]
        assert (ops["name"], ops["scopes"], ops["created_by"]) == ("Ops", ["*"], None)
        assert (other["name"], other["expires_at"]) == ("Made at the command line", None)
        assert ops["expires_at"] is not None
        log = (await client.get("/api/v2/settings/audit-log")).json()["data"]
        assert [(one["action"], one["actor"], one["resource_id"]) for one in log] == [
            ("api_key.created", "command_line", ops["id"]),
            ("api_key.created", "command_line", other["id"]),
        ]
        assert first.split("_")[3] not in str(log)
        assert (await client.delete(f"{KEYS}/{other['id']}")).status_code == 204


async def test_over_the_embedded_database_it_works_beside_the_service_and_without_it(data_dir):
    async with running_service(data_dir):
        pass
    alone = await made(DATABASE_URL="", DATA_DIR=str(data_dir))
    async with running_service(data_dir) as service:
        beside = await made(DATABASE_URL="", DATA_DIR=str(data_dir))
        for key in (alone, beside):
            async with holding(service.url, key) as client:
                assert (await client.get(KEYS)).status_code == 200
    assert "postgres_restarted" not in service.log.read_text()


@pytest.mark.parametrize("command", ["key", "reseal"])
async def test_no_embedded_database_is_made_for_a_command(tmp_path, command):
    """Not where the service that is meant uses another folder, or a server by DATABASE_URL."""
    variables = {"DATABSE_URL": "postgresql://u:s3cret@db/x", "DATA_DIR": str(tmp_path / "data")}
    code, said, told = await run("main.py", command, DATABASE_URL="", **variables)
    assert (code, said) == (1, "")
    assert "There is no embedded database in" in told
    assert json.loads(told.splitlines()[0])["perhaps_meant"] == "DATABASE_URL"
    assert "s3cret" not in told
    assert not (tmp_path / "data").exists()


async def test_beside_a_service_that_has_not_opened_its_database_it_is_told_to_try_again(data_dir):
    async with running_service(data_dir):
        cluster = served_cluster(data_dir)
        assert cluster
        # As it is until a first start has migrated.
        server = await connect(cluster, "agentes")
        await server.execute("alter role agentes_app nologin")
        code, said, told = await run("main.py", "key", DATABASE_URL="", DATA_DIR=str(data_dir))
        await server.close()
    assert (code, said) == (1, "")
    assert "has not opened its database yet; try again" in told
    assert told.count("\n") == 1


async def test_what_keeps_it_from_making_one_is_told_and_nothing_is_printed(tmp_path):
    nowhere = f"postgresql://u:s3cret@/x?host={tmp_path}&port=1"
    code, said, told = await run("main.py", "key", DATABASE_URL=nowhere)
    assert (code, said) == (1, "")
    assert "s3cret" not in told
    assert "Traceback" not in told
    code, said, told = await run("main.py", "key", "--name", " ", DATABASE_URL=nowhere)
    assert (code, said) == (2, "")
    assert "--name" in told
    code, said, told = await run("main.py", "key", DATABASE_URL="nonsense")
    assert (code, said) == (2, "")
    assert "DATABASE_URL" in told


async def test_its_help_says_what_the_key_is_for_with_clerk():
    code, said, _ = await run("main.py", "key", "--help")
    assert code == 0
    assert "With Clerk, organizations come from Clerk" in " ".join(said.replace("│", "").split())
