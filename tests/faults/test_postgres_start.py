"""PG-1: the database is down, silent or wrong when the service starts."""

import asyncio
import signal
import sys
import time
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
import asyncio, sys
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
        attempt, asyncio.Event(), give_up_after_s=1
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
            await proxy.restore()
            await ready_again(client, within_s=5)
            await an_agent(client)
            assert "Traceback" not in service.log.read_text()
            assert "database_arrived" in service.log.read_text()


async def test_pg1_a_database_that_is_down_or_silent_at_the_start_is_used_5_s_after_it_is_up(
    postgres, folder
):
    async with asyncio.TaskGroup() as tasks:
        for silent in (False, True):
            tasks.create_task(comes_up(postgres, folder, silent=silent))


async def test_pg1_a_service_that_waits_for_its_database_ends_at_once_when_it_is_told_to(
    postgres, folder
):
    async with fault_proxy(unix(postgres.socket)) as proxy:
        proxy.black_hole()
        variables = {"DATABASE_URL": url_through(proxy, "postgres")}
        data_dir = folder / "told" / "data"
        async with running_service(data_dir, once="/health/live", **variables) as service:
            started_s = time.monotonic()
            assert await service.end() in (0, -signal.SIGTERM)
            assert time.monotonic() - started_s < 8
            assert "Traceback" not in service.log.read_text()


async def test_pg1_after_long_waiting_the_process_ends_with_one_message(postgres, folder):
    url = (
        f"postgresql://postgres@/{await postgres.new_database()}?host={postgres.cluster.socket_dir}"
    )
    arguments = ["-c", IMPATIENT, str(free_port())]
    exit_code, told = await ended(arguments, folder / "impatient", url)
    assert exit_code != 0
    assert told.count("database_not_reachable") == 1
    assert "service_failed" in told
    assert "Traceback" not in told


async def test_pg1_a_database_that_does_not_exist_ends_the_start_without_waiting(postgres, folder):
    url = f"postgresql://postgres@/nowhere?host={postgres.cluster.socket_dir}"
    arguments = ["-m", "uvicorn", "main:app", "--port", str(free_port())]
    exit_code, told = await ended(arguments, folder / "nowhere", url)
    assert exit_code != 0
    assert "database_awaited" not in told
