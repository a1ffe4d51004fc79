"""The embedded PostgreSQL under its supervisor, whatever is killed."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.adapters.store.bundled import EmbeddedPostgresFailed, running_cluster

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
HOLDER = """
import asyncio, pathlib, sys
from app.adapters.store.bundled import running_cluster
async def main():
    async with running_cluster(pathlib.Path(sys.argv[1])) as cluster:
        print(cluster.socket_dir, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


async def connect(socket_dir) -> asyncpg.Connection:
    return await asyncpg.connect(host=str(socket_dir), user="postgres", database="postgres")


async def execute(socket_dir, sql: str):
    connection = await connect(socket_dir)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def postmaster_of(data_dir: Path) -> int:
    return int((data_dir / "postgres-18" / "postmaster.pid").read_text().split("\n")[0])


async def hold(data_dir: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A process that runs the cluster, as the service does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(data_dir)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    async for line in process.stdout:
        if line.startswith(b"/"):
            return process, line.decode().strip()
    raise AssertionError("the cluster did not start")


async def test_what_was_committed_is_there_at_the_next_start(data_dir):
    async with running_cluster(data_dir) as cluster:
        await execute(cluster.socket_dir, "create table t (n int)")
        await execute(cluster.socket_dir, "insert into t values (1)")
    assert not cluster.socket_dir.exists()
    async with running_cluster(data_dir) as cluster:
        assert await execute(cluster.socket_dir, "select n from t") == 1


@pytest.mark.parametrize("major_version", [16, 18])
async def test_both_versions_start_with_the_vector_extension(data_dir, major_version):
    async with running_cluster(data_dir, major_version=major_version, durable=False) as cluster:
        await execute(cluster.socket_dir, "create extension vector")
        number = await execute(cluster.socket_dir, "show server_version_num")
        assert int(number) // 10_000 == major_version


async def test_a_second_process_is_told_who_has_the_folder(data_dir):
    async with running_cluster(data_dir, durable=False):
        with pytest.raises(EmbeddedPostgresFailed, match=str(os.getpid())):
            async with running_cluster(data_dir):
                pass


async def test_after_a_kill_of_the_service_nothing_committed_is_lost(data_dir):
    process, socket_dir = await hold(data_dir)
    await execute(socket_dir, "create table t (n int)")
    await execute(socket_dir, "insert into t values (7)")
    process.kill()
    await process.wait()
    async with running_cluster(data_dir) as cluster:
        assert await execute(cluster.socket_dir, "select n from t") == 7


async def test_a_killed_postmaster_is_started_again_at_the_same_place(data_dir):
    async with running_cluster(data_dir) as cluster:
        await execute(cluster.socket_dir, "create table t (n int)")
        os.kill(postmaster_of(data_dir), signal.SIGKILL)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await execute(cluster.socket_dir, "select count(*) from t") == 0
                    break
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await asyncio.sleep(0.05)


async def test_a_pid_file_of_an_unrelated_process_does_not_keep_it_from_starting(data_dir):
    async with running_cluster(data_dir, durable=False):
        pass
    folder = data_dir / "postgres-18"
    (folder / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n1\n5432\n\n\n\n")
    async with running_cluster(data_dir, durable=False) as cluster:
        assert await execute(cluster.socket_dir, "select 1") == 1


async def test_a_folder_that_is_no_cluster_is_refused_with_what_to_do(data_dir):
    folder = data_dir / "postgres-18"
    folder.mkdir(parents=True)
    (folder / "something").write_text("else")
    with pytest.raises(EmbeddedPostgresFailed, match="PG_VERSION"):
        async with running_cluster(data_dir):
            pass
