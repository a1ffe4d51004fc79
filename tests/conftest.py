"""One embedded PostgreSQL for the whole run; a database cloned from a migrated template a test."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import asyncpg
import httpx2
import pytest
import uvicorn
from pydantic import SecretStr

from app.adapters.store.bundled import Cluster, running_cluster
from app.adapters.store.embedded import prepare_database
from app.application import create_app
from app.core.ids import new_id
from app.core.settings import Settings
from tests.support.loopback_only import PLAIN_HTTP, guard
from tests.support.supabase_lite import SECRET_KEY, Lite, make_template, running_lite

TEMPLATE = "template_agentes"
MEMORY, ROOM_BYTES = Path("/dev/shm"), 6 << 30
guard()

STORES = ("embedded", "postgres", "supabase")


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory where it has room: a database is made ten times as fast.

    What a test proves by kill -9 does not depend on the disk: the kernel keeps either.
    """
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        tempfile.tempdir = folder = tempfile.mkdtemp(prefix="agentes-tests-", dir=MEMORY)
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_addoption(parser: pytest.Parser) -> None:
    text = (
        "where services keep data; beside the default each test with one parameter; `supabase`:"
        " through @supabase/lite"
    )
    parser.addoption("--long", action="store_true", help="hundreds of repetitions, real silences")
    parser.addoption("--seed", type=int, default=20261124, help="of what the scenarios choose")
    parser.addoption("--store", choices=STORES, default=STORES[0], help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shorten the second round: it asks about the store, and what parameters vary is not that."""
    if config.getoption("--store") == STORES[0]:
        return
    kept: dict[str, pytest.Item] = {}
    for item in items:
        if not item.get_closest_marker("once"):
            kept.setdefault(item.nodeid.partition("[")[0], item)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept.values()])
    items[:] = kept.values()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server that lives in a thread of its own, as fixtures of a session outlive test loops."""
    started, stop, found = Event(), Event(), []

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
            async with running_cluster(Path(folder, "data"), durable=False) as running:
                await make_template(running, TEMPLATE)
                await prepare_database(running, TEMPLATE)
                found.append(running)
                started.set()
                await asyncio.to_thread(stop.wait)

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(60), "the embedded PostgreSQL did not start"
    yield found[0]
    stop.set()
    thread.join(20)


async def connect(cluster: Cluster, database: str = "postgres", user: str = "postgres"):
    return await asyncpg.connect(
        host=str(cluster.socket_dir), port=cluster.port, user=user, database=database
    )


@pytest.fixture
async def database_name(cluster: Cluster) -> AsyncIterator[str]:
    """A fresh migrated database."""
    name = f"t_{new_id().replace('-', '')}"
    server = await connect(cluster)
    await server.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    yield name
    await server.execute(f"drop database {name} with (force)")
    await server.close()


@pytest.fixture
async def connection(cluster: Cluster, database_name: str) -> AsyncIterator[asyncpg.Connection]:
    """The fresh database as its superuser sees it."""
    connection = await connect(cluster, database_name)
    yield connection
    await connection.close()


def database_url(cluster: Cluster, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@/{database}?host={cluster.socket_dir}&port={cluster.port}"


@pytest.fixture(scope="session")
def lite(cluster: Cluster) -> Iterator[Lite]:
    with running_lite(cluster) as lite:
        yield lite


@pytest.fixture
async def supabase_url(lite: Lite, database_name: str) -> AsyncIterator[str]:
    """The address of a Supabase project over the fresh database."""
    async with lite.project(database_name) as url:
        yield url


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Of a service over the fresh database, in the store that `--store` names."""
    is_supabase = request.config.getoption("--store") == "supabase"
    return request.getfixturevalue("supabase_settings" if is_supabase else "postgres_settings")


@pytest.fixture
def postgres_settings(cluster: Cluster, database_name: str, tmp_path: Path) -> Settings:
    url = SecretStr(database_url(cluster, database_name))
    return Settings(database_url=url, data_dir=tmp_path, log_level="error")


@pytest.fixture
def supabase_settings(supabase_url: str, tmp_path: Path) -> Settings:
    key = SecretStr(SECRET_KEY)
    return Settings(
        supabase_url=supabase_url, supabase_service_key=key, data_dir=tmp_path, log_level="error"
    )


@asynccontextmanager
async def serving(settings: Settings, **options: Any) -> AsyncIterator[str]:
    """A real server on a port of its own; yields its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings, **options), log_config=None, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    # Only `main` handles signals; here pytest does.
    task = asyncio.get_running_loop().create_task(server._serve([listener]))
    while not server.started:
        assert not task.done(), "the service did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the first key, of a service over the fresh database."""
    async with serving(settings) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=20
        ) as client:
            yield client
