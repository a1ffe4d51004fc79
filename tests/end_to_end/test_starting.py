"""What keeps the service from starting is told in one message, and the process says no."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.command_line.free_port import require_free_port
from tests.conftest import connect, database_url
from tests.support.redis_server import running_redis
from tests.support.service import (
    AS_MAKE_RUN_DOES,
    BY_HAND,
    free_port,
    running_service,
    started,
)

# About the data folder, the settings and DATABASE_URL; test_migrating.py starts over Supabase.
pytestmark = [pytest.mark.anyio, pytest.mark.once]
NOBODY_LISTENS = "postgresql://agentes:s3cret@127.0.0.1:1/agentes"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


async def refused_start(data_dir, command=BY_HAND, **variables):
    """What a process that must not start has told, and that it exited with an error code."""
    log = data_dir.parent / "refused.log"
    log.unlink(missing_ok=True)
    process = await started(data_dir, free_port(), log, command, **variables)
    assert await asyncio.wait_for(process.wait(), 30) != 0
    told = log.read_text()
    assert "Traceback" not in told
    assert "s3cret" not in told
    return told


async def told_by(process, log: Path, sign: str) -> str:
    """What a process has told once it has told this; it is ended then."""
    try:
        async with asyncio.timeout(20):
            while sign not in log.read_text():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    return log.read_text()


def errors(told: str) -> list[str]:
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line["level"] == "error"]


@pytest.mark.parametrize("command", [BY_HAND, AS_MAKE_RUN_DOES], ids=["by hand", "make run"])
async def test_a_data_folder_in_use_names_its_holder(data_dir, command):
    async with running_service(data_dir) as service:
        said, _ = errors(await refused_start(data_dir, command))
        assert f"in use by process {service.process.pid}" in said
        assert "another DATA_DIR" in said


async def test_the_reloader_tells_it_too_and_waits_for_a_change(data_dir):
    log = data_dir.parent / "reload.log"
    arguments = ("-m", "uvicorn", "main:app", "--reload", "--port", str(free_port()))
    data_dir.write_text("a file is in its place")
    process = await started(data_dir, 0, log, arguments)
    told = await told_by(process, log, "startup failed")
    assert "set another DATA_DIR" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("options", [(), ("--reload",)], ids=["make run", "--reload"])
async def test_a_taken_port_is_told_before_anything_is_opened(data_dir, options):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, log = taken.getsockname()[1], data_dir.parent / "taken.log"
        process = await started(data_dir, port, log, (*AS_MAKE_RUN_DOES, *options))
        assert await asyncio.wait_for(process.wait(), 30) == 1
    assert log.read_text() == (
        f"The service cannot start: it cannot listen at port {port} (PORT) of 127.0.0.1 (HOST):"
        " Address already in use. Stop the process that listens there, or set another PORT.\n"
    )
    assert not data_dir.exists()


async def test_a_host_that_is_not_of_this_machine_is_named(data_dir):
    told = await refused_start(data_dir, AS_MAKE_RUN_DOES, HOST="192.0.2.1")
    assert "of 192.0.2.1 (HOST): Cannot assign requested address. Set HOST" in told
    told = await refused_start(data_dir, AS_MAKE_RUN_DOES, HOST="nowhere.invalid")
    assert "of nowhere.invalid (HOST)" in told
    assert not data_dir.exists()


async def test_a_port_that_lingers_from_before_is_free(data_dir):
    with socket.socket() as before:
        before.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        before.bind(("127.0.0.1", 0))
        before.listen()
        port = before.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            before.accept()[0].close()  # who closes first keeps the connection for a minute
    require_free_port("127.0.0.1", port)


async def test_a_database_that_does_not_exist_is_told_in_whole_sentences(data_dir, cluster):
    url = f"postgresql://postgres@/nosuch?host={cluster.socket_dir}&port={cluster.port}"
    said, _ = errors(await refused_start(data_dir, DATABASE_URL=url))
    assert 'database "nosuch" does not exist. Start what is needed' in said


@pytest.mark.parametrize("how", ["--workers", "WEB_CONCURRENCY"])
async def test_workers_that_share_no_redis_are_refused(data_dir, how):
    arguments = ("-m", "uvicorn", "main:app", "--port", str(free_port()))
    arguments += ("--workers", "2") if how == "--workers" else ()
    variables = {} if how == "--workers" else {"WEB_CONCURRENCY": "2"}
    log = data_dir.parent / "workers.log"
    process = await started(data_dir, 0, log, arguments, **variables)
    await asyncio.wait_for(process.wait(), 30)  # its code is uvicorn's
    told = log.read_text()
    assert "service_ready" not in told
    assert "2 workers need a Redis that they share: set REDIS_URL; and a database that" in told


async def test_workers_that_share_no_database_are_refused(data_dir):
    arguments = ("-m", "uvicorn", "main:app", "--port", str(free_port()), "--workers", "2")
    log = data_dir.parent / "workers.log"
    process = await started(data_dir, 0, log, arguments, REDIS_URL="redis://127.0.0.1:1")
    await asyncio.wait_for(process.wait(), 30)
    told = log.read_text()
    assert "service_ready" not in told
    assert "2 workers need a database that they share: set DATABASE_URL" in told
    assert "in use by process" not in told


async def test_workers_that_share_a_redis_serve(data_dir, cluster, connection):
    name = await connection.fetchval("select current_database()")
    port, log = free_port(), data_dir.parent / "workers.log"
    arguments = ("-m", "uvicorn", "main:app", "--port", str(port), "--workers", "2")
    async with running_redis() as redis:
        variables = {"DATABASE_URL": database_url(cluster, name), "REDIS_URL": redis.url}
        process = await started(data_dir, port, log, arguments, **variables)
        told = await told_by(process, log, "service_ready")
    assert "need a Redis" not in told
    assert '"store":"postgres"' in told
    assert '"shared_state":"redis"' in told


@pytest.mark.parametrize("command", [BY_HAND, AS_MAKE_RUN_DOES], ids=["by hand", "make run"])
async def test_a_database_that_does_not_answer_is_named_without_its_password(data_dir, command):
    log = data_dir.parent / "waiting.log"
    process = await started(data_dir, free_port(), log, command, DATABASE_URL=NOBODY_LISTENS)
    told = await told_by(process, log, "indexing_paused")
    assert "service_ready" not in told
    (said,) = (line for line in told.splitlines() if "database_awaited" in line)
    assert "DATABASE_URL cannot be opened" in said
    assert "Connect" in said
    assert "s3cret" not in told
    assert "Traceback" not in told


async def test_a_host_that_is_half_a_password_is_told_with_how_to_write_it(data_dir):
    log = data_dir.parent / "waiting.log"
    url = "postgresql://agentes:s3c@ret.invalid/agentes"
    process = await started(data_dir, free_port(), log, DATABASE_URL=url)
    told = await told_by(process, log, "database_awaited")
    (said,) = (line for line in told.splitlines() if "database_awaited" in line)
    assert "in a user name or password, write / ? # @" in said
    assert "ret.invalid" not in told


async def test_a_user_who_may_not_create_the_schema_is_told_so(data_dir, cluster, connection):
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"create role {name}_poor login")
    server = await connect(cluster)
    await server.execute(f"create database {name}_empty")
    try:
        where = f"{name}_empty?host={cluster.socket_dir}&port={cluster.port}"
        url = f"postgresql://{name}_poor:s3cret@/{where}"
        said, _ = errors(await refused_start(data_dir, DATABASE_URL=url))
        assert "DATABASE_URL" in said
    finally:
        await server.execute(f"drop database {name}_empty")
        await server.execute(f"drop role {name}_poor")
        await server.close()


async def test_a_migration_that_fails_is_named_with_the_reason(data_dir, cluster, connection):
    name = await connection.fetchval("select current_database()")
    server = await connect(cluster)
    await server.execute(f"create database {name}_odd")
    odd = await connect(cluster, f"{name}_odd")
    await odd.execute("create schema agentes; create table agentes.organizations (id int)")
    await odd.close()
    try:
        url = f"postgresql://postgres@/{name}_odd?host={cluster.socket_dir}&port={cluster.port}"
        said, _ = errors(await refused_start(data_dir, DATABASE_URL=url))
        assert "Migration 2026" in said
        assert "already exists" in said
        assert "Nothing was changed" in said
    finally:
        await server.execute(f"drop database {name}_odd with (force)")
        await server.close()


async def test_a_data_folder_that_cannot_be_made_is_named(data_dir, settings):
    data_dir.write_text("a file is in its place")
    said, _ = errors(await refused_start(data_dir))
    assert str(data_dir) in said
    assert "set another DATA_DIR" in said
    # Over a database elsewhere, it holds the encryption key and the first API key.
    url = settings.database_url.get_secret_value()
    said, _ = errors(await refused_start(data_dir, DATABASE_URL=url))
    assert str(data_dir) in said


async def test_addresses_that_are_none_are_told_together_with_the_rest(data_dir):
    told = await refused_start(
        data_dir,
        AS_MAKE_RUN_DOES,
        DATABASE_URL="postgresql://agentes:s3cret/x@127.0.0.1/agentes",
        PUBLIC_URL="s3cret",
        CORS_ORIGINS="https://a.example, https://b.example/s3cret",
        OPENAI_BASE_URL="https://user:s3cret@127.0.0.1",
        OTHER_PROGRAMS_BASE_URL="/s3cret",
        DRAIN_SECONDS="s3cret",
    )
    lines = told.splitlines()
    assert lines[0] == "These environment variables need attention:"
    named = {line.split(":")[0].strip() for line in lines[1:]}
    assert named == {
        "DATABASE_URL",
        "PUBLIC_URL",
        "CORS_ORIGINS",
        "OPENAI_BASE_URL",
        "DRAIN_SECONDS",
    }


async def test_a_default_model_that_nobody_serves_is_refused_with_what_can_be(data_dir, settings):
    url = settings.database_url.get_secret_value()
    told = await refused_start(data_dir, DATABASE_URL=url, DEFAULT_MODEL_ID="s3cret")
    (said, _) = errors(told)
    assert "DEFAULT_MODEL_ID" in said
    assert "local, mistral, openai" in said
    told = await refused_start(data_dir, DATABASE_URL=url, DEFAULT_MODEL_ID="openai/gpt-4o-mini")
    assert "Set OPENAI_API_KEY" in errors(told)[0]


async def test_a_misspelt_variable_is_told_without_its_value_and_what_is_used_instead(data_dir):
    log = data_dir.parent / "misspelt.log"
    variables = {"DATABSE_URL": "postgresql://u:s3cret@db/x", "REDIS_ULR": "redis://:s3cret@r"}
    process = await started(data_dir, free_port(), log, **variables)
    told = await told_by(process, log, "service_ready")
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert {
        line["variable"]: line["perhaps_meant"]
        for line in lines
        if line["event"] == "setting_unknown" and line["level"] == "warning"
    } == {"DATABSE_URL": "DATABASE_URL", "REDIS_ULR": "REDIS_URL"}
    (ready,) = (line for line in lines if line["event"] == "service_ready")
    assert (ready["store"], ready["shared_state"]) == ("embedded", "memory")
    assert "s3cret" not in told
