"""PG-1: the database is down, silent or wrong when the service starts."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from app.core.settings import child_environment
from tests.support.fault_proxy import fault_proxy, unix
from tests.support.fault_stack import ready_again, url_through
from tests.support.postgres_server import PostgresServer
from tests.support.service import ROOT, free_port, running_service
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
# The service with less patience than a test should need; all else is its own.
IMPATIENT = """
import sys
from contextlib import asynccontextmanager
import uvicorn
from app.adapters.store.arrival import opened_on_arrival
from app.application import create_app
from app.container import open_ports
from app.core.settings import load_settings
from app.ports.store import StoreUnavailable

async def attempt():
    raise StoreUnavailable

@asynccontextmanager
async def impatient(settings):
    async with open_ports(settings) as ports, opened_on_arrival(
        attempt, give_up_after_s=1
    ):
        yield ports

uvicorn.run(create_app(load_settings(), open_ports=impatient), port=int(sys.argv[1]))
"""


async def ended(arguments: list[str], folder: Path, url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env=child_environment(DATABASE_URL=url, DATA_DIR=str(folder), LOG_FORMAT="json"),
    )
    try:
        async with asyncio.timeout(30):
            _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, told.decode()


async def comes_up(postgres: PostgresServer, folder: Path, *, silent: bool) -> None:
    """Wait for a database, and serve within 5 s after it is there."""
    database = await postgres.new_database()
    async with fault_proxy(unix(postgres.socket)) as proxy:
        if silent:
            proxy.black_hole()
        else:
            await proxy.refuse()
        variables = {"DATABASE_URL": url_through(proxy, database)}
        async with (
            running_service(folder / database / "d", once="/health/live", **variables) as service,
            service.client() as client,
        ):
            await asyncio.sleep(1.5)
            assert (await client.get("/health/live")).status_code == 200
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
            refused = await client.get("/api/v2/agents")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            assert "service_ready" not in service.log.read_text()
            await proxy.restore()
            await ready_again(client, within_s=5)
            await an_agent(client)
            told = service.log.read_text()
    assert "Traceback" not in told
    assert told.count("database_awaited") == told.count("database_arrived") == 1
    assert told.count("service_ready") == 1


async def is_told_to_end(postgres: PostgresServer, folder: Path) -> None:
    """Wait for a database, and stop waiting at once."""
    async with fault_proxy(unix(postgres.socket)) as proxy:
        proxy.black_hole()
        variables = {"DATABASE_URL": url_through(proxy, "postgres")}
        data_dir = folder / "told" / "data"
        async with running_service(data_dir, once="/health/live", **variables) as service:
            started_s = time.monotonic()
            assert await service.end() in (0, -signal.SIGTERM)
            assert time.monotonic() - started_s < 8
    assert "Traceback" not in service.log.read_text()


@pytest.fixture(scope="module")
async def starts(postgres, folder) -> AsyncIterator[Mapping[str, asyncio.Future]]:
    """All of them at once, as they mostly wait; a test looks at one."""
    port, socket_dir = str(free_port()), postgres.cluster.socket_dir
    url = f"postgresql://postgres@/{await postgres.new_database()}?host={socket_dir}"
    nowhere = f"postgresql://postgres@/nowhere?host={socket_dir}"
    begun = {
        "down": comes_up(postgres, folder, silent=False),
        "silent": comes_up(postgres, folder, silent=True),
        "told to end": is_told_to_end(postgres, folder),
        "for ever": ended(["-c", IMPATIENT, port], folder / "impatient", url),
        "nowhere": ended(["-m", "uvicorn", "main:app"], folder / "nowhere", nowhere),
    }
    starts = {name: asyncio.ensure_future(start) for name, start in begun.items()}
    yield starts
    await asyncio.gather(*starts.values(), return_exceptions=True)


@pytest.mark.parametrize("how", ["down", "silent"])
async def test_pg1_a_database_that_is_not_there_at_the_start_is_used_5_s_after_it_is(starts, how):
    await starts[how]


async def test_pg1_a_service_that_waits_for_its_database_ends_when_it_is_told_to(starts):
    await starts["told to end"]


async def test_pg1_after_long_waiting_the_process_ends_with_one_message(starts):
    exit_code, told = await starts["for ever"]
    assert exit_code != 0
    assert told.count("database_not_reachable") == 1
    assert told.count("service_failed") == 1
    assert "Traceback" not in told


async def test_pg1_a_database_that_does_not_exist_ends_the_start_without_waiting(starts):
    exit_code, told = await starts["nowhere"]
    assert exit_code != 0
    assert "database_awaited" not in told
