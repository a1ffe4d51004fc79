"""Measures vectors in a base too large to be compared whole: how soon they are in, what is found.

    .venv/bin/python -m benchmarks.vector_search [--chunks 20000] [--dimensions 1024]

In SQL, with made-up vectors around some centres; recall is against comparing all of them. The texts
are searched with them as `hybrid` does. Starts a PostgreSQL of its own.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import numpy

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id
from app.features.knowledge.embedding_worker import BATCH
from app.ports.embedder import written
from benchmarks.made_up_texts import Question, Speaker
from benchmarks.search_speed import fill, recall, timed

MODEL = "benchmark/m"
CENTRES = 500
QUESTIONS = 100
EXACT = """
select array_agg(number::text) from (
  select v.number from agentes.chunk_vectors v join agentes.chunks c on c.id = v.chunk_id
    join agentes.documents d on d.id = c.document_id
   where v.knowledge_base_id = $1 and d.metadata @> $3::jsonb
   order by v.vector <=> $2::text::halfvec limit 10) best
"""
NEAREST = """
select array_agg(number::text) from (
  select n.number from agentes.nearest($1, $2, $3, $4, $5, 100,
    case when $6::jsonb <> '{}' then agentes.numbers_of($1, $2, $6) end) n
   order by n.likeness desc limit 10) best
"""


class Geometry:
    """Vectors that gather around centres, as those of real texts do."""

    def __init__(self, dimensions: int) -> None:
        self._dice = numpy.random.default_rng(1)
        self._centres = self._dice.normal(size=(CENTRES, dimensions))

    def vectors(self, count: int) -> list[str]:
        """That many, as the database reads them."""
        near = self._centres[self._dice.integers(0, CENTRES, count)]
        return [written(row) for row in near + 0.7 * self._dice.normal(size=near.shape)]


async def embed(connection: asyncpg.Connection, geometry: Geometry, dimensions: int) -> float:
    """Give all chunks vectors as the worker does; chunks a second, its making of them left out."""
    count, spent_s = 0, 0.0
    while True:
        started = time.perf_counter()
        claimed = await connection.fetchval(
            "select embeddings_claim_v1($1, 600, $2, $3, $4)",
            *(new_id(), BATCH, json.dumps([MODEL.split("/")[0]]), MODEL),
        )
        spent_s += time.perf_counter() - started
        if claimed is None:
            return count / spent_s
        base = json.loads(claimed)
        rows = [
            {"id": chunk["id"], "sha256": chunk["sha256"], "vector": vector}
            for chunk, vector in zip(
                base["chunks"], geometry.vectors(len(base["chunks"])), strict=True
            )
        ]
        last = base["chunks"][-1]["number"] + 1 if base["chunks"] else base["next_number"]
        started = time.perf_counter()
        await connection.fetchval(
            "select embeddings_keep_v1($1, $2, $3, $4, $5, $6)",
            *(base["organization_id"], base["id"], base["lease_id"]),
            *(dimensions, json.dumps(rows), last),
        )
        spent_s += time.perf_counter() - started
        count += len(rows)


async def measure(connection: asyncpg.Connection, chunks: int, dimensions: int) -> None:
    """Fill, embed, ask, print."""
    org, speaker, geometry = new_id(), Speaker(1), Geometry(dimensions)
    await connection.execute(
        f"insert into agentes.organizations (id, slug, name) values ('{org}', 'b', 'b')"
    )
    base, texts = await fill(connection, org, speaker, chunks)
    pace = await embed(connection, geometry, dimensions)
    print(f"{chunks} chunks, {dimensions} dimensions: {pace:.0f} a second into the live graph")
    await connection.execute("vacuum analyze")
    space = await connection.fetchval("select max(id) from agentes.embedding_spaces")
    vectors = dict(enumerate(geometry.vectors(QUESTIONS)))
    asked = [Question(str(place), {}) for place in vectors]
    words = speaker.questions(texts, QUESTIONS)

    def exactly(team: dict[str, str]) -> Callable[[Question], Awaitable[list[str]]]:
        return lambda one: connection.fetchval(
            EXACT, base, vectors[int(one.text)], json.dumps(team)
        )

    def nearest(team: dict[str, str]) -> Callable[[Question], Awaitable[list[str]]]:
        place = (org, base, space, dimensions)
        return lambda one: connection.fetchval(
            NEAREST, *place, vectors[int(one.text)], json.dumps(team)
        )

    async def hybrid(one: Question) -> list[str]:
        given: dict[str, Any] = {"model": MODEL, "dimensions": dimensions}
        given["vector"] = vectors[int(one.text)]
        await connection.fetchval(
            "select knowledge_search_v2($1, $2, $3, 20, 0, '{}', $4, 'hybrid')",
            *(org, json.dumps([base]), words[int(one.text)].text, json.dumps([given])),
        )
        return []

    print(f"{'':<42}   p50 ms   p95 ms recall@10")
    for name, team in (("", {}), (", a tenth let through", {"team": "3"})):
        wanted, times = await timed(exactly(team), asked)
        print(f"{'  all compared' + name:<42} {times}")
        found, times = await timed(nearest(team), asked)
        print(f"{'vectors' + name:<42} {times} {recall(found, wanted)}", flush=True)
    _, times = await timed(hybrid, asked)
    print(f"{'words and vectors, fused':<42} {times}")


async def main() -> None:
    """Read the arguments, start a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=1024)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_cluster(Path(folder, "data"), durable=False) as cluster:
            await prepare_database(cluster)
            connection = await asyncpg.connect(
                host=str(cluster.socket_dir), port=cluster.port, user="postgres", database=DATABASE
            )
            try:
                await measure(connection, arguments.chunks, arguments.dimensions)
            finally:
                await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
