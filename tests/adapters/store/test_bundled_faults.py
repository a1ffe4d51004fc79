"""The embedded PostgreSQL when processes are killed, files are left and folders are damaged."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from app.adapters.store.bundled import postmaster, running_cluster
from app.adapters.store.bundled.failure import DataFolderInUse, ServerNotStarted
from app.adapters.store.bundled.folders import SYSTEM_DIR

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
        yield Path(folder, "data").resolve()


@pytest.fixture(scope="module")
def ready() -> Iterator[Path]:
    """A data folder with a cluster, which every test leaves able to start: initdb takes time."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "data").resolve()

        async def make() -> None:
            async with running_cluster(path, durable=False):
                pass

        asyncio.run(make())
        yield path


async def execute(socket_dir: Path | str, sql: str):
    connection = await asyncpg.connect(host=str(socket_dir), user="postgres", database="postgres")
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def eventually(socket_dir: Path, sql: str):
    async with asyncio.timeout(20):
        while True:
            try:
                return await execute(socket_dir, sql)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.02)


def postgres_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("postgres") and process.cwd() == str(folder):
                found.append(process)
    return found


def postmaster_of(data_dir: Path) -> int:
    return int((data_dir / "postgres-18" / "postmaster.pid").read_text().split("\n")[0])


@asynccontextmanager
async def another_service(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(data_dir)), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        async for line in process.stdout:
            if line.startswith(b"/"):
                yield process, line.decode().strip()
                return
        raise AssertionError("the cluster did not start")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("major_version", [16, 18])
async def test_both_versions_keep_their_data_and_know_letters_beyond_ascii(data_dir, major_version):
    options = {"major_version": major_version, "durable": False}
    async with running_cluster(data_dir, **options) as cluster:
        assert cluster.major_version == major_version
        await execute(cluster.socket_dir, "create table t as select 'AÇÃO' as word")
    assert not cluster.socket_dir.exists()
    assert postgres_of(data_dir / f"postgres-{major_version}") == []
    async with running_cluster(data_dir, **options) as cluster:
        assert await execute(cluster.socket_dir, "select lower(word) from t") == "ação"


async def test_a_durable_first_start_leaves_no_draft_beside_the_cluster(data_dir):
    async with running_cluster(data_dir) as cluster:
        assert await execute(cluster.socket_dir, "show fsync") == "on"
    assert {path.name for path in data_dir.iterdir()} == {"lock", "postgres-18", "postgres-18.log"}


async def test_of_two_at_once_the_second_is_told_that_the_folder_is_in_use(ready):
    async with running_cluster(ready, durable=False) as cluster:
        with pytest.raises(DataFolderInUse, match=str(os.getpid())):
            async with running_cluster(ready):
                pass
        assert await execute(cluster.socket_dir, "select 1") == 1


async def test_after_a_kill_of_the_service_its_orphan_is_replaced_and_no_row_is_lost(ready):
    async with another_service(ready) as (process, socket_dir):
        await execute(socket_dir, "create table t as select 7 as n")
        orphan = postmaster_of(ready)
        process.kill()
        await process.wait()
        assert psutil.pid_exists(orphan)
        async with running_cluster(ready) as cluster:
            assert postmaster_of(ready) != orphan
            assert await execute(cluster.socket_dir, "select n from t") == 7
            assert not os.access(socket_dir, os.F_OK)


async def test_after_a_kill_of_everything_no_committed_row_is_lost(ready):
    async with another_service(ready) as (process, socket_dir):
        await execute(socket_dir, "create table u as select 7 as n")
        process.kill()
        for server in postgres_of(ready / "postgres-18"):
            server.kill()
        await process.wait()
        async with running_cluster(ready) as cluster:
            assert await execute(cluster.socket_dir, "select n from u") == 7


async def test_a_killed_postmaster_is_replaced_at_the_same_path_though_a_backend_works_on(ready):
    async with running_cluster(ready, durable=False) as cluster:
        connection = await asyncpg.connect(
            host=str(cluster.socket_dir), user="postgres", database="postgres"
        )
        backend = await connection.fetchval("select pg_backend_pid()")
        # It counts without a look at its postmaster, and holds the shared memory meanwhile.
        busy = asyncio.ensure_future(
            connection.execute("select count(*) from generate_series(1, 1000000000)")
        )
        await asyncio.sleep(0.1)
        before = postmaster_of(ready)
        os.kill(before, signal.SIGKILL)
        assert await eventually(cluster.socket_dir, "select 1") == 1
        assert postmaster_of(ready) != before
        assert backend not in [process.pid for process in postgres_of(ready / "postgres-18")]
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await busy
        connection.terminate()


async def test_a_removed_socket_folder_comes_back(ready):
    async with running_cluster(ready, durable=False) as cluster:
        shutil.rmtree(cluster.socket_dir)
        assert await eventually(cluster.socket_dir, "select 1") == 1


@pytest.mark.parametrize("pid", [os.getpid(), 2**22, "x"], ids=["unrelated", "dead", "nonsense"])
async def test_a_stale_pid_file_does_not_keep_it_from_starting(ready, pid):
    folder = ready / "postgres-18"
    (folder / "postmaster.pid").write_text(f"{pid}\n{folder}\n1\n5432\n\n\n\n")
    async with running_cluster(ready, durable=False) as cluster:
        assert await execute(cluster.socket_dir, "select 1") == 1


async def test_a_first_start_killed_in_the_middle_leaves_nothing_that_stays(data_dir):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(data_dir)), cwd=ROOT
    )
    async with asyncio.timeout(20):
        while not list(data_dir.glob(".initdb-*/base")):
            await asyncio.sleep(0.005)
    process.kill()
    await process.wait()
    assert not (data_dir / "postgres-18").exists()
    (data_dir / ".trial-left").mkdir()
    async with running_cluster(data_dir, durable=False) as cluster:
        assert await execute(cluster.socket_dir, "select 1") == 1
    assert not [path for path in data_dir.iterdir() if path.name.startswith(".")]


async def test_the_failure_of_a_damaged_cluster_holds_the_words_of_the_log(ready):
    control = ready / "postgres-18" / "global" / "pg_control"
    control.rename(ready / "pg_control")
    with pytest.raises(ServerNotStarted, match=r"(?s)ended with 2.*pg_control.*DATABASE_URL"):
        async with running_cluster(ready, durable=False):
            pass
    (ready / "pg_control").rename(control)
    assert postgres_of(ready / "postgres-18") == []


async def test_a_log_that_has_grown_too_long_begins_anew(ready, monkeypatch):
    monkeypatch.setattr(postmaster, "MAX_LOG_BYTES", 10)
    (ready / "postgres-18.log").write_text("old words of an earlier run")
    async with running_cluster(ready, durable=False):
        assert "old words" not in (ready / "postgres-18.log").read_text()


async def test_below_a_closed_parent_the_cluster_goes_where_its_user_can_reach_it(data_dir):
    data_dir.parent.chmod(0o700)
    async with running_cluster(data_dir, durable=False) as cluster:
        folder = Path(await execute(cluster.socket_dir, "show data_directory"))
    assert folder.is_relative_to(SYSTEM_DIR if os.geteuid() == 0 else data_dir)
    if os.geteuid() == 0:
        shutil.rmtree(folder.parent)


async def test_the_error_of_the_service_comes_out_as_it_is(ready):
    with pytest.raises(ValueError, match="its own"):
        async with running_cluster(ready, durable=False):
            raise ValueError("its own")
    assert postgres_of(ready / "postgres-18") == []


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.5])
async def test_a_start_that_is_cancelled_leaves_no_server(ready, delay_s):
    async def run() -> None:
        async with running_cluster(ready, durable=False):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(run())
    await asyncio.sleep(delay_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert postgres_of(ready / "postgres-18") == []
    async with running_cluster(ready, durable=False) as cluster:
        assert await execute(cluster.socket_dir, "select 1") == 1
