"""The service as a process over its own PostgreSQL, with a proxy between them and a model."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2
import psutil

from tests.support.completions_server import CompletionsServer, Script, completions_server
from tests.support.fault_proxy import FaultProxy, fault_proxy, unix
from tests.support.invariants import check_answers, check_kept, check_log, check_streams
from tests.support.load import Ledger, Load, echoing
from tests.support.postgres_server import PostgresServer
from tests.support.service import Service, running_service
from tests.support.stories import an_agent

NORMAL_FDS = 120
NORMAL_THREADS = 40
# What a service may write: at all times, and of each outage, where every worker says once that it
# pauses and once that it goes on.
LINES_A_SECOND, LINES_AN_OUTAGE = 3, 12
MODEL = {"model_id": "openai/test"}


@dataclass
class Stack:
    """All parts of a service whose database can fail."""

    postgres: PostgresServer
    proxy: FaultProxy
    model: CompletionsServer
    service: Service
    client: httpx2.AsyncClient
    agent_id: str
    database: str

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """The database as its superuser sees it, past the proxy."""
        connection = await self.postgres.connect(self.database)
        try:
            yield connection
        finally:
            await connection.close()


class Watch:
    """A stack during one scenario, and what has to hold at its end."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.process = psutil.Process(stack.service.process.pid)
        self._started_s = time.monotonic()
        self._outages = 0
        self._since = stack.service.log.stat().st_size

    async def recovered(self, *, within_s: float) -> None:
        """Return when it is ready again, which the same process has to be in time."""
        self._outages += 1
        await ready_again(self.stack.client, within_s=within_s)

    async def serves_again(self, load: Load, *, for_s: float = 0.6) -> None:
        """After recovery nothing fails any more."""
        before = len(load.ledger.answered)
        await asyncio.sleep(for_s)
        later = load.ledger.answered[before:]
        assert later, "no request was answered after recovery"
        failed = [answer for answer in later if answer.status >= 400 and answer.took_s < for_s]
        assert failed == [], failed[:3]

    async def check(self, ledger: Ledger) -> None:
        check_answers(ledger)
        check_streams(ledger.acknowledged)
        async with self.stack.connection() as connection:
            await check_kept(ledger, connection)
        seconds = time.monotonic() - self._started_s
        log = self.stack.service.log
        most = 20 + LINES_A_SECOND * seconds + LINES_AN_OUTAGE * self._outages
        check_log(log, most=most, since=self._since)

    def check_process(self) -> None:
        """It is the same process, and it has not gathered anything."""
        assert self.stack.service.process.returncode is None, "the service has ended"
        assert self.process.num_fds() < NORMAL_FDS
        assert self.process.num_threads() < NORMAL_THREADS


async def ready_again(client: httpx2.AsyncClient, *, within_s: float) -> None:
    started_s = time.monotonic()
    while (await client.get("/health/ready")).status_code != 200:
        waited_s = time.monotonic() - started_s
        assert waited_s < within_s, f"not ready {waited_s:.1f} s after the fault ended"
        await asyncio.sleep(0.05)


def url_through(proxy: FaultProxy, database: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"


@asynccontextmanager
async def fault_stack(
    postgres: PostgresServer, folder: Path, script: Script = echoing
) -> AsyncIterator[Stack]:
    database = await postgres.new_database()
    async with (
        fault_proxy(unix(postgres.socket)) as proxy,
        completions_server(script) as model,
        running_service(
            folder / database / "data",
            DATABASE_URL=url_through(proxy, database),
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=model.url,
        ) as service,
        service.client() as client,
    ):
        agent = await an_agent(client, **MODEL)
        yield Stack(postgres, proxy, model, service, client, agent["id"], database)
