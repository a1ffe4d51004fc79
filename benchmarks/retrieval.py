"""Measures retrieval on Portuguese questions: our search beside plain `ts_rank`, in one run.

    .venv/bin/python -m benchmarks.retrieval [--data FILE]

Each passage is one chunk; a question counts as found when its own passage is among the first k.
Starts an embedded PostgreSQL of its own in a temporary folder.
"""

import argparse
import asyncio
import html
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id

DATA = Path(__file__).parents[2] / "shared" / "data" / "squad-pt-sample.json"
DEPTH = 20
PEER = """
select id::text from agentes.chunks, (
  select string_agg(quote_literal(s)::text, ' | ')::tsquery as q
    from unnest(tsvector_to_array(to_tsvector('portuguese', $1))) s) any_stem
 where plain @@ q order by ts_rank(plain, q, 1) desc limit $2
"""


@dataclass
class Score:
    """Ranks and times of one way of searching; rank 0 is not found."""

    ranks: list[int] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One row of the table."""
        total = len(self.ranks)
        recalls = [sum(0 < rank <= k for rank in self.ranks) / total for k in (1, 5, 10)]
        mrr = sum(1 / rank for rank in self.ranks if rank) / total
        cuts = statistics.quantiles(self.times_ms, n=20)
        figures = " ".join(f"{value:>9.3f}" for value in (*recalls, mrr))
        return f"{name:<28} {figures} {cuts[9]:>8.2f} {cuts[18]:>8.2f}"


def read(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Passages, and questions with the place of their passage."""
    passages: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                questions.append((html.unescape(qa["question"]), len(passages)))
            passages.append(html.unescape(paragraph["context"]))
    return passages, questions


async def index(connection: asyncpg.Connection, passages: list[str]) -> tuple[str, str, list[str]]:
    """Index the passages as one document; returns organization, base and the chunks' ids."""
    org, base, document = new_id(), new_id(), new_id()
    ids = [new_id() for _ in passages]
    chunks = [
        {
            "id": id_,
            "ordinal": place,
            "content": text,
            "heading": "",
            "page": None,
            "char_start": 0,
            "char_end": len(text),
            "token_count": len(text) // 4,
        }
        for place, (id_, text) in enumerate(zip(ids, passages, strict=True))
    ]
    await connection.execute(
        f"""insert into agentes.organizations (id, slug, name) values ('{org}', 'b', 'b');
        insert into agentes.knowledge_bases (id, organization_id, name, language, chunking)
          values ('{base}', '{org}', 'b', 'pt-BR', '{{}}');
        insert into agentes.documents
          (id, organization_id, knowledge_base_id, name, content_type, size_bytes, sha256)
          values ('{document}', '{org}', '{base}', 'b', 'text/plain', 1, 'b');"""
    )
    started = time.perf_counter()
    await connection.execute(
        "select agentes.stage_chunks($1, $2, $3::jsonb)", org, document, json.dumps(chunks)
    )
    await connection.execute("select agentes.publish_chunks($1, $2)", org, document)
    size = sum(len(text.encode()) for text in passages) / 1e6
    print(f"indexed {size:.2f} MB at {size / (time.perf_counter() - started):.1f} MB/s")
    await connection.execute(
        "alter table agentes.chunks add column plain tsvector;"
        "update agentes.chunks set plain = to_tsvector('portuguese', content);"
        "create index on agentes.chunks using gin (plain); analyze agentes.chunks"
    )
    return org, base, ids


async def measure(connection: asyncpg.Connection, data: Path) -> None:
    """Ask every question both ways and print the table."""
    passages, questions = read(data)
    org, base, ids = await index(connection, passages)
    ours, peer = Score(), Score()
    for question, place in questions:
        started = time.perf_counter()
        found: Any = await connection.fetchval(
            "select knowledge_search_v1($1, $2::jsonb, $3, $4)",
            org,
            json.dumps([base]),
            question,
            DEPTH,
        )
        ours.times_ms.append((time.perf_counter() - started) * 1000)
        hits = [row["id"] for row in json.loads(found)["data"]]
        ours.ranks.append(hits.index(ids[place]) + 1 if ids[place] in hits else 0)
        started = time.perf_counter()
        rows = [row[0] for row in await connection.fetch(PEER, question, DEPTH)]
        peer.times_ms.append((time.perf_counter() - started) * 1000)
        peer.ranks.append(rows.index(ids[place]) + 1 if ids[place] in rows else 0)
    print(f"{len(questions)} questions over {len(passages)} passages")
    print(f"{'':<28} {'recall@1':>9} {'recall@5':>9} {'recall@10':>9} {'MRR':>9} p50 ms   p95 ms")
    print(ours.line("knowledge_search_v1"))
    print(peer.line("ts_rank, any stem (peer)"))


async def main() -> None:
    """Read the arguments, start a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with running_cluster(Path(folder, "data"), durable=False) as cluster:
            await prepare_database(cluster)
            connection = await asyncpg.connect(
                host=str(cluster.socket_dir), port=cluster.port, user="postgres", database=DATABASE
            )
            try:
                await measure(connection, arguments.data)
            finally:
                await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
