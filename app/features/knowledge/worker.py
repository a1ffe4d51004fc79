"""Indexes documents: claims them, cuts them, stages the chunks, publishes the whole."""

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog

from app.core.errors import Problem, ServiceUnavailable
from app.core.ids import new_id
from app.features.knowledge.chunking import TextChunk, cut
from app.features.knowledge.indexing import ClaimedDocument, IndexingQueue, LeaseLost
from app.ports import Ports
from app.ports.parser import DocumentEmpty, DocumentUnreadable, ParsedText
from app.web.routing import FeatureContext

LEASE_S = 60
POLL_S = 0.3
RETRY_POLL_S = 2.0
AT_ONCE = 2
BATCH = 200
MAX_ATTEMPTS = 5
PARSED_PERCENT = 10
log = structlog.get_logger(__name__)


class OriginalLost(DocumentUnreadable):
    """The original file is gone."""


class IndexingFailed(Problem):
    """The document could not be indexed in several attempts."""


class IndexingWorker:
    """One of any number of workers over the same queue."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._queue = IndexingQueue(ports.database, lease_s=LEASE_S)

    async def run(self) -> None:
        """Work until cancelled; what was begun then is taken over when its lease has run out."""
        await self._forget_orphans()
        while True:
            try:
                claimed = await self._queue.claim(new_id(), limit=AT_ONCE)
                await asyncio.gather(*(self.index(document) for document in claimed))
            except Problem as problem:
                log.warning("indexing_paused", code=problem.code())
                await asyncio.sleep(RETRY_POLL_S)
                continue
            if not claimed:
                await asyncio.sleep(POLL_S)

    async def _forget_orphans(self) -> None:
        with suppress(Problem):
            swept = await self._queue.sweep()
            log.info("orphaned_files_swept", count=swept)

    async def index(self, document: ClaimedDocument) -> None:
        """Bring one document to `ready`, `failed`, or back to the queue."""
        log.info("document_claimed", document_id=document.id, attempt=document.attempts)
        try:
            await self._index(document)
            log.info("document_ready", document_id=document.id)
        except LeaseLost:
            log.warning("document_lease_lost", document_id=document.id)
        except DocumentUnreadable as problem:
            await self._give_up(document, problem, retry=False)
        except ServiceUnavailable:
            raise
        except Exception:
            log.exception("document_indexing_crashed", document_id=document.id)
            retry = document.attempts < MAX_ATTEMPTS
            await self._give_up(
                document, IndexingFailed("Upload it again, or ask us."), retry=retry
            )

    async def _index(self, document: ClaimedDocument) -> None:
        content = await self._ports.files.get(document.organization_id, document.id)
        if content is None:
            raise OriginalLost
        chunks = await asyncio.to_thread(partial(self._cut, document, content))
        if not chunks:
            raise DocumentEmpty("The document holds no text.")
        await self._queue.stage(document, [], progress=PARSED_PERCENT)
        for start in range(0, len(chunks), BATCH):
            batch = chunks[start : start + BATCH]
            share = (99 - PARSED_PERCENT) * (start + len(batch)) // len(chunks)
            await self._queue.stage(document, batch, progress=PARSED_PERCENT + share)
        await self._queue.publish(document, chunk_count=len(chunks))

    def _cut(self, document: ClaimedDocument, content: bytes) -> list[TextChunk]:
        parser = next(
            parser
            for parser in self._ports.parsers.values()
            if parser.content_type == document.content_type
        )
        parsed: ParsedText = parser.parse(content)
        sizes = document.chunking
        return list(cut(parsed, size=sizes.size, overlap=sizes.overlap))

    async def _give_up(self, document: ClaimedDocument, problem: Problem, *, retry: bool) -> None:
        log.info("document_failed", document_id=document.id, code=problem.code(), retry=retry)
        with suppress(LeaseLost):
            await self._queue.fail(document, problem, retry=retry)


@asynccontextmanager
async def open_indexing(ports: Ports) -> FeatureContext:
    """A worker for as long as the service runs."""
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(IndexingWorker(ports).run())
        try:
            yield None
        finally:
            worker.cancel()
