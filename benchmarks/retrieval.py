"""Measures retrieval on Portuguese questions: our search beside BM25 (`bm25s`), in one run.

    .venv/bin/python -m benchmarks.retrieval FILE [--half 0|1]

FILE is in SQuAD's format. Each passage is one chunk; a question counts as found when its own
passage is among the first k. Starts an embedded PostgreSQL of its own in a temporary folder.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import bm25s
import Stemmer
import wordllama

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id
from app.ports.embedder import written
from benchmarks.question_sets import HEADER, Score, read, three_kinds

DEPTH = 20


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
    await connection.execute("analyze")
    return org, base, ids


class WeakEmbedder:
    """wordllama: static vectors of English words, whose weights come with its package."""

    id = "benchmark/wordllama"

    def __init__(self) -> None:
        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

    def vectors(self, texts: list[str]) -> list[tuple[float, ...]]:
        """One vector a text."""
        return [tuple(map(float, row)) for row in self._model.embed(texts, norm=True)]


async def embed(
    connection: asyncpg.Connection, place: tuple[str, str, list[str]], passages: list[str]
) -> WeakEmbedder:
    """Give the passages vectors, and let the base be searched by them."""
    org, base, ids = place
    embedder = WeakEmbedder()
    vectors = embedder.vectors(passages)
    rows = [
        {"id": id_, "sha256": id_, "vector": written(vector)}
        for id_, vector in zip(ids, vectors, strict=True)
    ]
    space = await connection.fetchval(
        "select agentes.open_space($1, $2)", embedder.id, len(vectors[0])
    )
    await connection.execute(
        "select agentes.keep_vectors($1, $2, $3, $4::jsonb)", org, base, space, json.dumps(rows)
    )
    await connection.execute(
        "update agentes.knowledge_bases set served_space = $1 where id = $2", space, base
    )
    return embedder


async def of_ours(
    connection: asyncpg.Connection,
    place: tuple[str, str, list[str]],
    questions: list[tuple[str, int]],
    *,
    mode: str = "lexical",
    embedder: WeakEmbedder | None = None,
) -> Score:
    """The search as the service asks it; the time of the embedder is left out."""
    org, base, ids = place
    score = Score()
    vectors = embedder.vectors([text for text, _ in questions]) if embedder else []
    for number, (question, wanted) in enumerate(questions):
        given = [
            {"model": embedder.id, "dimensions": len(vector), "vector": written(vector)}
            for vector in vectors[number : number + 1]
            if embedder
        ]
        started = time.perf_counter()
        found: Any = await connection.fetchval(
            "select knowledge_search_v2($1, $2::jsonb, $3, $4, 0, '{}', $5::jsonb, $6)",
            org,
            json.dumps([base]),
            question,
            DEPTH,
            json.dumps(given),
            mode,
        )
        score.times_ms.append((time.perf_counter() - started) * 1000)
        score.add([row["id"] for row in json.loads(found)["data"]], ids[wanted])
    return score


def of_bm25(passages: list[str], questions: list[tuple[str, int]]) -> Score:
    """The peer: BM25 with the Portuguese stemmer and stop words."""
    options: Any = {"stopwords": "pt", "stemmer": Stemmer.Stemmer("portuguese")}
    options["show_progress"] = False
    peer = bm25s.BM25()
    peer.index(bm25s.tokenize(passages, **options), show_progress=False)
    asked = bm25s.tokenize([text for text, _ in questions], return_ids=False, **options)
    found, _ = peer.retrieve(asked, k=DEPTH, show_progress=False)
    score = Score()
    for hits, (_, wanted) in zip(found, questions, strict=True):
        score.add([str(hit) for hit in hits], str(wanted))
    return score


async def measure(connection: asyncpg.Connection, data: Path, half: int | None) -> None:
    """Ask every question both ways and print the table."""
    passages, questions = read(data, half=half)
    place = await index(connection, passages)
    print(f"{len(questions)} questions over {len(passages)} passages\n{HEADER}")
    embedder = await embed(connection, place, passages)
    for kind, asked in three_kinds(questions).items():
        print((await of_ours(connection, place, asked)).line(f"ours, {kind}"))
        print(of_bm25(passages, asked).line(f"BM25, {kind}"))
        for mode in ("semantic", "hybrid"):
            score = await of_ours(connection, place, asked, mode=mode, embedder=embedder)
            print(score.line(f"  ours, {mode}, a weak embedder"), flush=True)


async def main() -> None:
    """Read the arguments, start a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_cluster(Path(folder, "data"), durable=False) as cluster:
            await prepare_database(cluster)
            connection = await asyncpg.connect(
                host=str(cluster.socket_dir), port=cluster.port, user="postgres", database=DATABASE
            )
            try:
                await measure(connection, arguments.data, arguments.half)
            finally:
                await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
