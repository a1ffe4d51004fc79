"""The schema as operators meet it: `python main.py migrate`, and a start without it."""

import asyncio
import sys

import pytest

from app.core.settings import child_environment
from tests.conftest import database_url
from tests.support.service import ROOT
from tests.support.supabase_lite import SECRET_KEY

pytestmark = [pytest.mark.anyio, pytest.mark.once]
UNMIGRATE = """
drop schema agentes cascade; drop schema supabase_migrations cascade;
drop schema public cascade; create schema public
"""


async def run(*command: str, **variables: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=child_environment(LOG_FORMAT="json", **variables),
    )
    async with asyncio.timeout(60):
        said, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), told.decode()


async def migrate(url: str) -> tuple[int, str, str]:
    return await run("main.py", "migrate", DATABASE_URL=url)


async def test_migrating_names_what_it_applied_and_does_it_once(cluster, database_name, connection):
    await connection.execute(UNMIGRATE)
    url = database_url(cluster, database_name)
    code, said, told = await migrate(url)
    assert (code, told) == (0, "")
    assert "applied 20261124000100_create_foundation\n" in said
    code, said, _ = await migrate(url)
    assert code == 0
    assert "applied 2026" not in said


async def test_a_migration_that_fails_is_told_in_one_line(cluster, database_name, connection):
    await connection.execute("delete from supabase_migrations.schema_migrations")
    code, said, told = await migrate(database_url(cluster, database_name))
    assert (code, said) == (1, "")
    assert "20261124000100_create_foundation failed" in told
    assert told.count("\n") == 1


async def test_a_database_that_cannot_be_opened_is_told_in_one_line(tmp_path):
    code, said, told = await migrate(f"postgresql://u:s3cret@/x?host={tmp_path}&port=1")
    assert (code, said) == (1, "")
    assert "DATABASE_URL cannot be opened" in told
    assert told.count("\n") == 1
    assert "s3cret" not in told


async def test_without_an_address_it_is_told_which_to_set():
    code, _, told = await migrate("")
    assert code == 2
    assert "DATABASE_URL is not set" in told
    assert "`supabase db push`" in told


async def test_a_project_without_the_schema_starts_no_service(connection, supabase_url, tmp_path):
    await connection.execute("drop function public.migrations_list_v1()")
    code, _, told = await run(
        *("-m", "uvicorn", "main:app", "--port", "0"),
        DATA_DIR=str(tmp_path),
        SUPABASE_URL=supabase_url,
        SUPABASE_SERVICE_KEY=SECRET_KEY,
    )
    assert code != 0
    assert "`supabase db push`" in told
    assert "`python main.py migrate` with DATABASE_URL" in told
    assert SECRET_KEY not in told
