"""Search by vectors in a base that is too large to be compared whole."""

import random

import pytest

from tests.features.test_embeddings import KNOWLEDGE, embedding_service, search
from tests.features.test_knowledge import upload
from tests.support.embeddings import until, vector
from tests.support.stories import a_base, indexed

pytestmark = pytest.mark.anyio
CHUNKS = 5_200
PATIENCE_S = 240
SPOKEN = ["".join(pair) for pair in zip("abcdefgh" * 40, "mnopqrstuvxyz" * 40, strict=False)]
EXACT = """select 1 - (vector <=> $1::text::{schema}.halfvec) as likeness from agentes.chunk_vectors
            where number <@ $2::text::int4multirange order by likeness desc limit 10"""


def a_book(dice: random.Random) -> str:
    """Sections of a chunk each, of words that a few of them share."""
    words = [f"{dice.choice(SPOKEN)}{dice.choice(SPOKEN)}{number:03}" for number in range(900)]
    return "\n\n".join(
        f"## Parte {number}\n\n{' '.join(dice.choices(words, k=90))}." for number in range(CHUNKS)
    )


async def indexed_and_embedded(client, base, name: str, text: str, **fields: str):
    answer = await upload(client, base, (name, text.encode()), **fields)
    document = await indexed(client, answer.json()["data"][0]["id"])

    async def embedded():
        found = (await client.get(f"{KNOWLEDGE}/bases/{base}")).json()
        return found["embedding_progress"] == 100 and found["served_embedding_model"]

    await until(embedded, PATIENCE_S)
    return document


async def test_the_graph_finds_what_comparing_all_vectors_finds(settings, connection):
    dice = random.Random(5)
    book = a_book(dice)
    async with embedding_service(settings) as (client, _):
        base = await a_base(client)
        small = await indexed_and_embedded(
            client, base, "b.md", book[:40_000], metadata='{"team": "a"}'
        )
        large = await indexed_and_embedded(client, base, "a.md", book)
        assert large["chunk_count"] >= CHUNKS
        schema = await connection.fetchval(
            "select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace"
            " where e.extname = 'vector'"
        )
        everything, found_in_all = "{[0,)}", 0
        for _ in range(20):
            query = " ".join(book[at : at + 60] for at in dice.choices(range(len(book)), k=3))
            asked = str(vector(query))
            best = await connection.fetch(EXACT.format(schema=schema), asked, everything)
            hits = (await search(client, base, query, mode="semantic", top_k=10))["data"]
            likest = [hit["scores"]["semantic"] for hit in hits]
            found_in_all += sum(one >= best[-1]["likeness"] - 0.001 for one in likest)
        assert found_in_all >= 0.95 * 20 * 10
        # Of few that a filter lets through none is missed.
        few = f"{{[0,{small['chunk_count']})}}"
        best = await connection.fetch(EXACT.format(schema=schema), asked, few)
        hits = await search(client, base, query, mode="semantic", top_k=10, filters={"team": "a"})
        likest = hits["data"][0]["scores"]["semantic"]
        assert likest == pytest.approx(best[0]["likeness"], abs=0.001)
    async with connection.transaction():
        graph = "pg_stat_get_xact_numscans('agentes.chunk_vectors_near_1'::regclass)"
        org = await connection.fetchval("select organization_id from agentes.knowledge_bases")
        nearest = (
            "select count(*) from agentes.nearest($1, $2, 1, 64, $3, 100, $4::text::int4multirange)"
        )
        assert await connection.fetchval(nearest, org, base, asked, few) == small["chunk_count"]
        assert await connection.fetchval(f"select {graph}") == 0
        assert await connection.fetchval(nearest, org, base, asked, None) == 100
        assert await connection.fetchval(f"select {graph}") == 1
