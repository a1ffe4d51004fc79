"""Measures how soon documents can be searched, through the API of a service of its own.

    .venv/bin/python -m benchmarks.ingestion

A PDF of 100 pages, Markdown of some megabytes, and several of those at once, each beside its floor:
the bare text layer by pypdfium2, the splitter alone, and PostgreSQL's own full text over the same
pieces (COPY, `to_tsvector`, a GIN index), on a cluster like the service's. No embedder.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx2
from pypdfium2 import PdfDocument
from semantic_text_splitter import MarkdownSplitter

from app.adapters.store.bundled import running_cluster
from tests.support.documents import pdf_with
from tests.support.service import ROOT, running_service

PAGES = 100
MARKDOWN_MB = 4
ROUNDS = 3
AT_ONCE = 6
PIECE_CHARS = 1200
FULL_TEXT = """
drop table if exists pieces;
create table pieces (content text, terms tsvector
  generated always as (to_tsvector('portuguese', content)) stored);
create index on pieces using gin (terms);
"""
SOURCE = (ROOT / "examples" / "loja-aurora.md").read_text(encoding="utf-8")


def a_pdf(number: int) -> bytes:
    """Pages of about 2,500 characters, none like another."""
    words = [word for word in SOURCE.split() if word.isalpha()]
    pages = []
    for page in range(PAGES):
        shifted = words[page * 7 % len(words) :] + words
        lines = [" ".join(shifted[line * 12 : line * 12 + 12]) for line in range(34)]
        pages.append(f"# Capítulo {number}.{page}\n" + "\n".join(lines))
    return pdf_with(*pages)


def some_markdown(number: int) -> bytes:
    """The example again and again, with headings of its own each time."""
    size = len(SOURCE.encode())
    parts = [SOURCE.replace("# Loja", f"# {n} Loja") for n in range(MARKDOWN_MB * 10**6 // size)]
    return "\n\n".join([f"# Volume {number}", *parts]).encode()


async def searchable_s(client: httpx2.AsyncClient, base: str, name: str, content: bytes) -> float:
    """From the first byte of the upload until the document is ready."""
    started = time.perf_counter()
    answer = await client.post(
        "/api/v2/knowledge/upload",
        data={"knowledge_base_id": base},
        files={"file": (name, content)},
    )
    path = f"/api/v2/knowledge/documents/{answer.json()['data'][0]['id']}"
    while (document := (await client.get(path)).json())["status"] != "ready":
        if document["status"] == "failed":
            raise SystemExit(f"{name}: {document['error']}")
        await asyncio.sleep(0.02)
    return time.perf_counter() - started


def best_s(work: Callable[[], object]) -> float:
    """The shortest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


async def copied_s(folder: Path, pieces: list[str]) -> float:
    """To have the pieces in a table with an index of their words."""
    async with running_cluster(folder) as cluster:
        connection = await asyncpg.connect(
            host=str(cluster.socket_dir), port=cluster.port, user="postgres", database="postgres"
        )
        times: list[float] = []
        for _ in range(ROUNDS):
            await connection.execute(FULL_TEXT)
            started = time.perf_counter()
            await connection.copy_records_to_table(
                "pieces", records=[(piece,) for piece in pieces], columns=["content"]
            )
            times.append(time.perf_counter() - started)
        await connection.close()
    return min(times)


def bare_text(content: bytes) -> str:
    """The text layer and nothing else."""
    return "".join(page.get_textpage().get_text_range() for page in PdfDocument(content))


async def main() -> None:
    """Start a service, upload, print the table."""
    pdfs, texts = [[make(n) for n in range(ROUNDS)] for make in (a_pdf, some_markdown)]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_service(Path(folder, "data")) as service, service.client() as client:
            answer = await client.post("/api/v2/knowledge/bases", json={"name": "b"})
            base = answer.json()["id"]
            of_pdf = min([await searchable_s(client, base, "a.pdf", one) for one in pdfs])
            of_text = min([await searchable_s(client, base, "a.md", one) for one in texts])
            many = [some_markdown(ROUNDS + number) for number in range(AT_ONCE)]
            started = time.perf_counter()
            await asyncio.gather(*(searchable_s(client, base, "a.md", one) for one in many))
            of_many = time.perf_counter() - started
        pieces = MarkdownSplitter(PIECE_CHARS).chunks(texts[0].decode())
        copied = await copied_s(Path(folder, "floor"), pieces)
    bare_pdf = best_s(lambda: bare_text(pdfs[0]))
    decoded = texts[0].decode()
    bare_cut = best_s(lambda: MarkdownSplitter(PIECE_CHARS).chunk_indices(decoded))
    size = len(texts[0]) / 1e6
    print(f"{'':<34} {'ours':>12} {'floor':>12}")
    print(f"{f'PDF of {PAGES} pages, searchable':<34} {of_pdf:>10.2f} s {bare_pdf:>10.2f} s")
    print(f"{'Markdown, MB/s':<34} {size / of_text:>12.2f} {size / bare_cut:>12.2f} (cut)")
    print(
        f"{f'{AT_ONCE} of it at once, MB/s':<34} {AT_ONCE * size / of_many:>12.2f}"
        f" {size / copied:>12.2f} (COPY)"
    )


if __name__ == "__main__":
    asyncio.run(main())
