"""KP-1: the process is killed in the middle of its chats, or never learns of having begun one."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    USAGE,
    completions_server,
    delta,
    finish,
)
from tests.support.fault_stack import MODEL, fault_stack
from tests.support.invariants import UNDER_WAY, check_kept
from tests.support.load import Chat, Ledger, Load, load_on
from tests.support.postgres_server import PostgresServer
from tests.support.service import running_service
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
CHATS = 20
KILLS, LANES = 200, 4
PIECE_S = 0.05
# What was streamed longer ago than this is kept: a flush every 2 s, and its own time on its way.
FLUSHED_AFTER_S = 3.0
QUESTIONS = """
select q.content as question, r.id, r.status, r.error, m.content, m.status as message_status,
       (select count(*) from (select data from agentes.events 
         union all select data from agentes.outbox) e
         where e.data->>'run_id' = r.id::text and e.data ? 'finish_reason') as ends_told
  from agentes.messages q
  join agentes.runs r on r.id = q.run_id
  join agentes.messages m on m.id = r.message_id
 where q.role = 'user'
"""


async def counting(exchange) -> None:
    """A model that counts, twenty numbers a second, for a minute."""
    await exchange.send(STREAM_HEAD)
    for number in range(1200):
        await exchange.send(delta(f"{number} "))
        await asyncio.sleep(PIECE_S)
    await exchange.send(finish(), USAGE, DONE)


async def all_ended(connection: asyncpg.Connection, *, patiently: bool) -> None:
    """Return when no run is under way: once the owner has been silent for long, or seems to."""
    if not patiently:
        await connection.execute(
            "update agentes.processes set seen_at = seen_at - interval '31 s'"
            " where id in (select owner_id from agentes.runs where status = 'running')"
        )
    async with asyncio.timeout(60 if patiently else 25):
        while await connection.fetch(UNDER_WAY):
            await asyncio.sleep(0.2)


def check_partial(chat: Chat, content: str) -> None:
    """What is kept is what was streamed, up to the last moments before the kill."""
    shorter = min(len(chat.text), len(content))
    assert chat.text[:shorter] == content[:shorter]
    lost = len(chat.text.split()) - len(content.split())
    assert lost * PIECE_S <= FLUSHED_AFTER_S, f"{lost} pieces were lost"


async def check_after_kill(connection: asyncpg.Connection, ledger: Ledger) -> None:
    rows = {row["question"]: row for row in await connection.fetch(QUESTIONS)}
    for chat in ledger.acknowledged:
        row = rows[chat.question]
        assert chat.terminal == []
        assert row["status"] == "failed"
        assert row["ends_told"] == 1, row
        assert row["message_status"] == "incomplete"
        check_partial(chat, row["content"])


async def a_start_is_not_confirmed(postgres: PostgresServer, folder: Path) -> None:
    """The run was committed, its owner was not told, and the client was told 503."""
    async with fault_stack(postgres, folder) as stack:
        stack.proxy.faults.lose_reply_to = b'"is_new_conversation"'
        chat = await Load(stack.client, stack.agent_id, pause_s=0).one_chat()
        assert stack.proxy.replies_lost == 1
        assert chat.status in (200, 503)
        async with stack.connection() as connection, asyncio.timeout(30):
            while await connection.fetch(UNDER_WAY):
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def unheard(postgres, folder) -> AsyncIterator[asyncio.Future]:
    """Begun at once, as it mostly waits."""
    scenario = asyncio.ensure_future(a_start_is_not_confirmed(postgres, folder))
    yield scenario
    await asyncio.wait([scenario])


async def kill_again_and_again(
    postgres: PostgresServer, folder: Path, chance: random.Random, patient: list[bool]
) -> None:
    """One kill for each of `patient`: whether its runs are left to be found in their own time."""
    database = await postgres.new_database()
    data_dir = folder / database / "data"
    url = f"postgresql://postgres@/{database}?host={postgres.cluster.socket_dir}"
    async with completions_server(counting) as model:
        variables = {
            "DATABASE_URL": url,
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": model.url,
        }
        for patiently in patient:
            ledger = Ledger()
            async with (
                running_service(data_dir, **variables) as service,
                service.client() as client,
            ):
                agent = await an_agent(client, **MODEL)
                async with load_on(client, agent["id"], chats=CHATS) as load:
                    await asyncio.sleep(chance.uniform(4.5, 6.5))
                    load.stop.set()
                    await service.end(signal.SIGKILL)
                ledger = load.ledger
            assert len(ledger.acknowledged) == CHATS
            async with running_service(data_dir, **variables):
                connection = await postgres.connect(database)
                try:
                    await all_ended(connection, patiently=patiently)
                    await asyncio.sleep(1)
                    await check_after_kill(connection, ledger)
                    await check_kept(ledger, connection)
                finally:
                    await connection.close()


@pytest.mark.usefixtures("unheard")
async def test_kp1_after_a_kill_in_the_middle_of_twenty_chats_nothing_acknowledged_is_missing(
    postgres, folder, chance, is_long
):
    if not is_long:
        await kill_again_and_again(postgres, folder, chance, [False])
        return
    # Most of it is waiting: services beside each other, each over a database of its own.
    async with asyncio.TaskGroup() as tasks:
        for lane in range(LANES):
            kills = [number % 10 == 0 for number in range(lane, KILLS, LANES)]
            its_chance = random.Random(chance.random())
            tasks.create_task(kill_again_and_again(postgres, folder, its_chance, kills))


async def test_kp1_a_run_whose_start_was_committed_but_not_confirmed_does_not_run_for_ever(unheard):
    await unheard
