"""KP-2: the process is killed while it indexes, at each of its stages, or told to stop."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.features.test_knowledge import KNOWLEDGE
from tests.support.service import AS_MAKE_RUN_DOES, running_service
from tests.support.stories import POLICY, a_base

pytestmark = pytest.mark.anyio
# Of the percents that a document shows: not begun, being read, staged in part, nearly published.
STAGES = (0, 1, 11, 50, 90)
IN_SHORT = 11
WITHIN_S = 120
TEXT = "\n\n".join(
    POLICY.replace("Loja Teste", f"Loja {number}").replace("8 dias", f"{number} dias")
    for number in range(8_000)
)


async def document_of(client, base):
    return (await client.get(f"{KNOWLEDGE}/documents?knowledge_base_id={base}")).json()["data"][0]


async def until(client, base, reached, *, within_s: float):
    async with asyncio.timeout(within_s):
        while not reached(document := await document_of(client, base)):
            await asyncio.sleep(0.03)
    return document


async def seen(client, document) -> int:
    """How many of its chunks can be found, up to a page of them."""
    answer = await client.get(f"{KNOWLEDGE}/documents/{document['id']}/chunks")
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"])


async def under_way(client, stage: int) -> str:
    """A base whose one document is being indexed and has come to that percent."""
    base = await a_base(client)
    file = {"file": ("a.md", TEXT.encode())}
    await client.post(f"{KNOWLEDGE}/upload", data={"knowledge_base_id": base}, files=file)
    await until(client, base, lambda document: document["progress"] >= stage, within_s=60)
    assert (await document_of(client, base))["status"] != "ready", "it was too quick to kill"
    return base


@asynccontextmanager
async def reading(postgres, database) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def check_whole(connection, document) -> None:
    """All of its chunks are there, once, and nothing else is."""
    rows = await connection.fetch("select ordinal, content from agentes.chunks order by ordinal")
    assert [row["ordinal"] for row in rows] == list(range(document["chunk_count"]))
    assert await connection.fetchval("select count(*) from agentes.staged_chunks") == 0
    assert await connection.fetchval("select count(*) from agentes.files") == 1


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """At one stage, as leases of a minute are waited for; at each with `--long`."""
    if "stage" in metafunc.fixturenames:
        is_long = metafunc.config.getoption("long")
        metafunc.parametrize("stage", STAGES if is_long else (IN_SHORT,))


async def test_kp2_a_document_under_way_is_whole_within_two_minutes_and_never_half_seen(
    postgres, folder, stage
):
    database = await postgres.new_database()
    data_dir = folder / database / "data"
    url = f"postgresql://postgres@/{database}?host={postgres.cluster.socket_dir}"
    async with running_service(data_dir, DATABASE_URL=url) as service, service.client() as client:
        base = await under_way(client, stage)
        await service.end(signal.SIGKILL)
    started = time.monotonic()
    async with running_service(data_dir, DATABASE_URL=url) as service, service.client() as client:
        while (document := await document_of(client, base))["status"] != "ready":
            assert await seen(client, document) == 0
            assert document["status"] != "failed"
            assert time.monotonic() - started < WITHIN_S
            await asyncio.sleep(5)
        assert await seen(client, document) > 0
    async with reading(postgres, database) as connection:
        await check_whole(connection, document)


async def test_what_is_under_way_at_sigterm_is_taken_up_by_the_next_start(postgres, folder):
    database = await postgres.new_database()
    data_dir = folder / database / "data"
    url = f"postgresql://postgres@/{database}?host={postgres.cluster.socket_dir}"
    state = "select status, attempts, lease_id, lease_until from agentes.documents"
    async with reading(postgres, database) as connection:
        async with (
            running_service(
                data_dir, AS_MAKE_RUN_DOES, DATABASE_URL=url, DRAIN_SECONDS="10"
            ) as service,
            service.client() as client,
        ):
            base = await under_way(client, IN_SHORT)
            service.process.send_signal(signal.SIGTERM)
            # It drains for some seconds more: the document does not wait for its end.
            await until(client, base, lambda document: document["status"] == "queued", within_s=30)
            assert await service.process.wait() == 0
        # As it was before it was claimed: nothing that the next start would have to wait for.
        assert tuple(await connection.fetchrow(state)) == ("queued", 0, None, None)
        assert await connection.fetchval("select count(*) from agentes.staged_chunks") == 0
        async with (
            running_service(data_dir, DATABASE_URL=url) as service,
            service.client() as client,
        ):
            document = await until(
                client, base, lambda document: document["status"] == "ready", within_s=WITHIN_S
            )
        assert tuple(await connection.fetchrow(state)) == ("ready", 1, None, None)
        await check_whole(connection, document)
