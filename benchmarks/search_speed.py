"""Measures search through the API over very many chunks, beside `ts_rank` and exhaustive ranking.

    .venv/bin/python -m benchmarks.search_speed [--chunks 100000] [--organizations 1]

The chunks lie in one base of each organization; the first's base is searched. Recall is against the
same ranking without its cap on candidates. Starts a PostgreSQL and a service of its own.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import DATABASE, prepare_database
from app.core.ids import new_id
from benchmarks.made_up_texts import TEAMS, Question, Speaker
from tests.support.service import running_service

A_DOCUMENT = 500
QUESTIONS = 200
PEER = """
select array(select id::text from agentes.chunks, (
  select string_agg(quote_literal(s)::text, ' | ')::tsquery as q
    from unnest(tsvector_to_array(agentes.text_vector('pt', $1))) s) any_stem
 where knowledge_base_id = $2 and terms @@ q order by ts_rank(terms, q, 1) desc limit 10)
"""


async def fill(connection: asyncpg.Connection, org: str, speaker: Speaker, count: int) -> Any:
    """A base with that many chunks; returns its id and some of the texts."""
    base, texts = new_id(), []
    await connection.execute(
        f"""insert into agentes.knowledge_bases (id, organization_id, name, language, chunking)
            values ('{base}', '{org}', 'b', 'pt-BR', '{{"size": 300, "overlap": 0}}')"""
    )
    for first in range(0, count, A_DOCUMENT):
        document, texts = new_id(), speaker.chunks(min(A_DOCUMENT, count - first))
        await connection.execute(
            f"""insert into agentes.documents (id, organization_id, knowledge_base_id, name,
                  content_type, size_bytes, sha256, status, chunk_count, metadata)
                values ('{document}', '{org}', '{base}', 'b', 'text/plain', 1, '{document}',
                  'ready', {len(texts)}, '{{"team": "{first // A_DOCUMENT % TEAMS}"}}')"""
        )
        rows = [
            {"id": new_id(), "ordinal": place, "content": text, "heading": ""}
            | {"page": None, "char_start": 0, "char_end": len(text), "token_count": len(text) // 4}
            for place, text in enumerate(texts)
        ]
        await connection.execute(
            "select agentes.stage_chunks($1, $2, $3::jsonb)", org, document, json.dumps(rows)
        )
        await connection.execute("select agentes.publish_chunks($1, $2)", org, document)
    return base, texts


async def timed(
    ask: Callable[[Question], Awaitable[list[str]]], questions: list[Question]
) -> tuple[list[list[str]], str]:
    """The answers, and p50 and p95 in ms, after some questions to warm up."""
    for question in questions[:20]:
        await ask(question)
    answers, times = [], []
    for question in questions:
        started = time.perf_counter()
        answers.append(await ask(question))
        times.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(times, n=20)
    return answers, f"{cuts[9]:>8.1f} {cuts[18]:>8.1f}"


def recall(found: list[list[str]], wanted: list[list[str]]) -> str:
    """How much of the wanted first ten was found."""
    total = sum(len(one) for one in wanted) or 1
    hits = sum(len(set(one) & set(other)) for one, other in zip(found, wanted, strict=True))
    return f"{hits / total:>8.3f}"


class Bench:
    """One service over a filled database."""

    def __init__(self, client: httpx2.AsyncClient, connection: asyncpg.Connection, base: str):
        self._client = client
        self._connection = connection
        self._base = base

    async def api(self, question: Question) -> list[str]:
        body = {"query": question.text, "knowledge_base_id": self._base, "top_k": 10}
        answer = await self._client.post(
            "/api/v2/knowledge/search", json=body | {"filters": question.filters}
        )
        assert answer.status_code == 200, answer.text
        return [hit["id"] for hit in answer.json()["data"]]

    async def peer(self, question: Question) -> list[str]:
        return await self._connection.fetchval(PEER, question.text, self._base)

    async def exhaustively(self, questions: list[Question]) -> list[list[str]]:
        """The answers without a cap on candidates."""
        cap = await self._connection.fetchval("select agentes.candidate_cap()")
        cap_at = (
            "create or replace function agentes.candidate_cap() returns int language sql immutable"
            " as 'select {}'"
        )
        await self._connection.execute(cap_at.format(100_000_000))
        answers = [await self.api(question) for question in questions]
        await self._connection.execute(cap_at.format(cap))
        return answers

    async def report(self, name: str, questions: list[Question], *, with_peer: bool = True) -> None:
        found, times = await timed(self.api, questions)
        wanted = await self.exhaustively(questions[:50])
        print(f"{name:<42} {times} {recall(found[:50], wanted)}", flush=True)
        if with_peer:
            _, times = await timed(self.peer, questions[:40])
            print(f"{'  plain ts_rank, any stem, in SQL':<42} {times}", flush=True)


async def measure(socket_dir: Path, port: int, chunks: int, organizations: int) -> None:
    """Fill, start, ask, print."""
    login = {"host": str(socket_dir), "port": port, "user": "postgres", "database": DATABASE}
    connection = await asyncpg.connect(**login)
    url = f"postgresql://postgres@/{DATABASE}?host={socket_dir}&port={port}"
    with tempfile.TemporaryDirectory() as folder:
        async with running_service(Path(folder, "data"), DATABASE_URL=url) as service:
            org = await connection.fetchval("select id::text from agentes.organizations limit 1")
            speaker, started = Speaker(1), time.perf_counter()
            base, texts = await fill(connection, org, speaker, chunks // organizations)
            for number in range(1, organizations):
                other = new_id()
                await connection.execute(
                    f"insert into agentes.organizations (id, slug, name) "
                    f"values ('{other}', 'o{number}', 'o')"
                )
                await fill(connection, other, speaker, chunks // organizations)
            print(f"{chunks} chunks indexed in {time.perf_counter() - started:.0f} s", flush=True)
            await connection.execute("vacuum analyze")
            sizes = await connection.fetch(
                "select relname, pg_size_pretty(pg_total_relation_size(oid)) as size from pg_class"
                " where relname in ('chunks', 'postings', 'terms') order by 1"
            )
            print(", ".join(f"{row['relname']} {row['size']}" for row in sizes))
            async with service.client() as client:
                bench = Bench(client, connection, base)
                questions = speaker.questions(texts, QUESTIONS)
                print(f"{'':<42}   p50 ms   p95 ms recall@10")
                await bench.report("questions", questions)
                await bench.report(
                    "questions, any common terms", speaker.common_questions(QUESTIONS)
                )
                team = [replace(one, filters={"team": "3"}) for one in questions]
                await bench.report("questions, a tenth let through", team, with_peer=False)
    await connection.close()


async def main() -> None:
    """Read the arguments, start a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--organizations", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_cluster(Path(folder, "data"), durable=False) as cluster:
            await prepare_database(cluster)
            await measure(
                cluster.socket_dir, cluster.port, arguments.chunks, arguments.organizations
            )


if __name__ == "__main__":
    asyncio.run(main())
