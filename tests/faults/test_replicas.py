"""KP-7: three processes behind a load balancer, killed in turn under load, behave as one."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from app.core.ids import new_id
from tests.support.balancer import balancer
from tests.support.completions_server import completions_server
from tests.support.fault_stack import MODEL
from tests.support.load import PIECES, echoing
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.patient_clients import PatientClients, Stream, at_work
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import running_redis
from tests.support.service import free_port, started
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
REPLICAS = 3
DOWN_S, UP_S = 2.0, 4.0
# Of a run whose process died, another tells the end.
RESERVED = 2_000_000_000
WHOLE = """
select q.content as question, m.content as answer, r.status
  from agentes.messages q
  join agentes.runs r on r.id = q.run_id
  join agentes.messages m on m.id = r.message_id
 where q.role = 'user'
"""


class Replicas:
    """The processes, each with a folder of its own, as on machines of their own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._folder, self._variables = folder, variables
        self.ports = [free_port() for _ in range(REPLICAS)]
        self.processes: list[asyncio.subprocess.Process | None] = [None] * REPLICAS

    def log(self, number: int) -> Path:
        return self._folder / f"service-{number}.log"

    async def start(self, number: int) -> None:
        data = self._folder / f"data-{number}"
        self.processes[number] = await started(
            data, self.ports[number], self.log(number), **self._variables
        )

    async def end_one(self, number: int, how: signal.Signals) -> None:
        """Killed it stays down for a while; told to stop it ends in time, and well."""
        process = self.processes[number]
        assert process is not None
        self.processes[number] = None
        process.send_signal(how)
        ended = await asyncio.wait_for(process.wait(), 25)
        if how == signal.SIGKILL:
            await asyncio.sleep(DOWN_S)
        else:
            assert ended in (0, -how)

    async def ready(self, number: int) -> None:
        url = f"http://127.0.0.1:{self.ports[number]}/health/ready"
        async with asyncio.timeout(30), httpx2.AsyncClient(verify=PLAIN_HTTP) as client:
            while True:
                try:
                    if (await client.get(url)).status_code == 200:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        for process in self.processes:
            if process is not None:
                os.kill(process.pid, signal.SIGTERM)
        for process in self.processes:
            if process is not None:
                await asyncio.wait_for(process.wait(), 30)


def check_stream(stream: Stream, kept: dict[str, tuple[str, str]]) -> None:
    """Every number once and in its order, to its one end, and what was shown is what is kept."""
    own = [number for number in stream.numbers if number != RESERVED]
    assert own == list(range(1, len(own) + 1)), stream
    assert [name for name in stream.names if name in ("done", "error")] == stream.names[-1:], stream
    answer, status = kept[stream.question]
    if stream.names[-1] == "done":
        assert status == "completed", stream
        assert stream.text == answer, stream
        assert stream.text == "".join(f"{n}:{stream.question} " for n in range(PIECES))
    else:
        assert status == "failed", stream
        assert answer.startswith(stream.text) or stream.text.startswith(answer), stream


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "deploy"])
async def test_kp7_killed_in_turn_under_load_nobody_misses_anything(
    number: signal.Signals, postgres: PostgresServer, folder: Path, is_long: bool
):
    database = f"r_{new_id().replace('-', '')}"
    await postgres.execute("postgres", f"create database {database}")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(completions_server(echoing))
        redis = await stack.enter_async_context(running_redis())
        host = str(Path(postgres.socket).parent)
        replicas = Replicas(
            folder / database,
            {
                "DATABASE_URL": f"postgresql://postgres@/{database}?host={host}",
                "REDIS_URL": redis.url,
                "OPENAI_API_KEY": "sk-test",
                "OPENAI_BASE_URL": model.url,
                "ENCRYPTION_KEY": "k" * 40,
            },
        )
        (folder / database).mkdir()
        stack.push_async_callback(replicas.end)
        # All at once over an empty database: one of them migrates it.
        await asyncio.gather(*(replicas.start(one) for one in range(REPLICAS)))
        await asyncio.gather(*(replicas.ready(one) for one in range(REPLICAS)))
        door = await stack.enter_async_context(balancer(replicas.ports))
        (only,) = (folder / database).glob("data-*/api_key")  # one key between them
        key = only.read_text().strip()
        client = await stack.enter_async_context(
            httpx2.AsyncClient(
                verify=PLAIN_HTTP,
                base_url=door.url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
                limits=httpx2.Limits(keepalive_expiry=1),
            )
        )
        agent = await an_agent(client, **MODEL)
        clients = PatientClients(client, agent["id"])
        async with at_work(clients):
            await asyncio.sleep(UP_S)
            for turn in range(4 * REPLICAS if is_long else REPLICAS):
                await replicas.end_one(turn % REPLICAS, number)
                await replicas.start(turn % REPLICAS)
                await replicas.ready(turn % REPLICAS)
                await asyncio.sleep(UP_S)
        rows = await postgres.execute(database, WHOLE)
        names = await postgres.execute(database, "select name from agentes.knowledge_bases")
        keys = await postgres.execute(database, "select name from agentes.api_keys")
        (last,) = await postgres.execute(
            database, "select max(position) as last from agentes.events"
        )
        kept = {row["question"]: (row["answer"], row["status"]) for row in rows}
        assert [row["name"] for row in keys] == ["First key"]
        assert len(rows) == len(kept) == len(clients.streams), "a question was asked twice or lost"
        for stream in clients.streams:
            check_stream(stream, kept)
        assert sorted(row["name"] for row in names) == sorted(clients.written)
        assert clients.read > 50
        assert any(stream.connections > 1 for stream in clients.streams), "nobody was disturbed"
        for numbers in clients.seen:
            assert numbers == list(range(1, last["last"] + 1))
        for one in range(REPLICAS):
            assert "Traceback" not in replicas.log(one).read_text()
