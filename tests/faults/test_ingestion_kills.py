"""KP-2: the process is killed while it indexes, at each of its stages."""

import asyncio
import signal
import time

import pytest

from tests.features.test_knowledge import KNOWLEDGE
from tests.support.service import running_service
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
        base = await a_base(client)
        file = {"file": ("a.md", TEXT.encode())}
        await client.post(f"{KNOWLEDGE}/upload", data={"knowledge_base_id": base}, files=file)
        await until(client, base, lambda document: document["progress"] >= stage, within_s=60)
        assert (await document_of(client, base))["status"] != "ready", "it was too quick to kill"
        await service.end(signal.SIGKILL)
    started = time.monotonic()
    async with running_service(data_dir, DATABASE_URL=url) as service, service.client() as client:
        while (document := await document_of(client, base))["status"] != "ready":
            assert await seen(client, document) == 0
            assert document["status"] != "failed"
            assert time.monotonic() - started < WITHIN_S
            await asyncio.sleep(5)
        assert await seen(client, document) > 0
    connection = await postgres.connect(database)
    try:
        rows = await connection.fetch(
            "select ordinal, content from agentes.chunks order by ordinal"
        )
        assert [row["ordinal"] for row in rows] == list(range(document["chunk_count"]))
        assert await connection.fetchval("select count(*) from agentes.staged_chunks") == 0
        assert await connection.fetchval("select count(*) from agentes.files") == 1
    finally:
        await connection.close()
