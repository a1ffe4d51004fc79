"""Indexes documents: claims them, has them read, stages the chunks, publishes the whole."""

import asyncio
from contextlib import asynccontextmanager, suppress

import structlog

from app.core.background import kept_up
from app.core.errors import Problem, ServiceUnavailable
from app.core.ids import new_id
from app.core.pauses import Pause
from app.features.knowledge.embedding_worker import EmbeddingWorker
from app.features.knowledge.indexing import ClaimedDocument, IndexingQueue, LeaseLost
from app.ports import Ports
from app.ports.parser import Cut, DocumentUnreadable, Parser, TextChunk
from app.web.routing import FeatureContext

LEASE_S = 60
POLL_S = 0.3
RETRY_POLL_S = 2.0
AT_ONCE = 4
PER_ORGANIZATION = 2
BATCH = 250
# Of a document, on connections of their own, and of all: making stems takes one core of the
# database each.
BATCHES_AT_ONCE = 2
STAGED_AT_ONCE = 4
MAX_ATTEMPTS = 5
# Told to stop: a document that is being published has so long, and giving one back.
PUBLISHED_WITHIN_S = 10.0
RELEASED_WITHIN_S = 4.0
# Where the service closes without draining first. What is given back then has begun to be, and
# is not cut short.
FINISH_S = RELEASED_WITHIN_S
READING_PERCENT = 1
READ_PERCENT = 10
log = structlog.get_logger(__name__)


class OriginalLost(DocumentUnreadable):
    """The original file is gone."""


class FormatForgotten(DocumentUnreadable):
    """The document's format is not read any more."""


class IndexingFailed(Problem):
    """The document could not be indexed in several attempts."""


class IndexingWorker:
    """One of any number of workers over the same queue."""

    def __init__(
        self, ports: Ports, *, lease_s: int = LEASE_S, publish_s: float = PUBLISHED_WITHIN_S
    ) -> None:
        self._ports = ports
        self._lease_s = lease_s
        self._publish_s = publish_s
        self._queue = IndexingQueue(ports.database, lease_s=lease_s)
        self._claiming = Pause(log, "indexing")
        self._staging = asyncio.Semaphore(STAGED_AT_ONCE)
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._publishing: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Work until the service drains or this is cancelled; what is held then is given back."""
        await self._forget_orphans()
        draining = self._ports.draining
        async with asyncio.TaskGroup() as tasks:
            drained = tasks.create_task(draining.wait())
            while not draining.is_set():
                # Not interrupted: what a claim has leased is known only when it has ended.
                claimed = await self._claim(AT_ONCE - len(self._busy))
                for document in claimed or []:
                    self._begin(document, tasks)
                is_full = len(self._busy) == AT_ONCE
                await asyncio.wait(
                    {drained, *(self._busy.values() if is_full else ())},
                    timeout=None if is_full else _pause_s(claimed),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            await self._give_back()

    def _begin(self, document: ClaimedDocument, tasks: asyncio.TaskGroup) -> None:
        task = tasks.create_task(self.index(document))
        self._busy[document.claim] = task

        def forget(_: asyncio.Task[None]) -> None:
            del self._busy[document.claim]
            self._publishing.discard(document.claim)

        task.add_done_callback(forget)

    async def _give_back(self) -> None:
        """Let documents that are being published be so for a while; end the work on the others."""
        for claim, task in self._busy.items():
            if claim not in self._publishing:
                task.cancel()
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=self._publish_s)
        for task in self._busy.values():
            if not task.cancelling():
                task.cancel()

    async def _claim(self, limit: int) -> list[ClaimedDocument] | None:
        """What is to be done next; None while the queue cannot be asked."""
        try:
            claimed = await self._queue.claim(
                new_id(), limit=limit, per_organization=PER_ORGANIZATION
            )
        except Problem as problem:
            self._claiming.goes_on(problem)
            return None
        self._claiming.is_over()
        return claimed

    async def _forget_orphans(self) -> None:
        with suppress(Problem):
            swept = await self._queue.sweep()
            log.info("orphaned_files_swept", count=swept)

    async def index(self, document: ClaimedDocument) -> None:
        """Bring one document to `ready`, `failed`, or back to the queue; there when cancelled."""
        try:
            await self._work_on(document)
        except asyncio.CancelledError:
            await self._release(document)
            raise

    async def _release(self, document: ClaimedDocument) -> None:
        try:
            async with asyncio.timeout(RELEASED_WITHIN_S):
                was_held = await self._queue.release(document)
        except (Problem, TimeoutError) as error:
            # Its lease runs out in a while.
            log.warning("document_not_released", document_id=document.id, reason=repr(error))
        else:
            log.info("document_released", document_id=document.id, was_held=was_held)

    async def _work_on(self, document: ClaimedDocument) -> None:
        log.info("document_claimed", document_id=document.id, attempt=document.attempts)
        try:
            if document.attempts > MAX_ATTEMPTS:
                # Whoever had it before never reported: it may have taken its service with it.
                await self._give_up(document, _failed(), retry=False)
                return
            await self._index(document)
            log.info("document_ready", document_id=document.id)
        except LeaseLost:
            log.warning("document_lease_lost", document_id=document.id)
        except DocumentUnreadable as problem:
            await self._give_up(document, problem, retry=False)
        except ServiceUnavailable as problem:
            # Its lease runs out in a while, and the document is taken up again.
            log.warning("document_postponed", document_id=document.id, code=problem.code())
        except Exception:
            log.exception("document_indexing_crashed", document_id=document.id)
            await self._give_up(document, _failed(), retry=document.attempts < MAX_ATTEMPTS)

    async def _index(self, document: ClaimedDocument) -> None:
        chunks = await self._held(document)
        await self._queue.renew(document, progress=READ_PERCENT)
        await self._stage(document, chunks)
        self._publishing.add(document.claim)
        await self._queue.publish(document, chunk_count=len(chunks))

    async def _stage(self, document: ClaimedDocument, chunks: tuple[TextChunk, ...]) -> None:
        """All chunks, in batches of which some are under way at once."""
        starts, staged = iter(range(0, len(chunks), BATCH)), 0

        async def some() -> None:
            nonlocal staged
            for start in starts:
                batch = chunks[start : start + BATCH]
                async with self._staging:
                    staged += len(batch)
                    share = (99 - READ_PERCENT) * staged // len(chunks)
                    await self._queue.stage(document, batch, progress=READ_PERCENT + share)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(BATCHES_AT_ONCE):
                    tasks.create_task(some())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _held(self, document: ClaimedDocument) -> tuple[TextChunk, ...]:
        """The chunks, read while the lease is renewed; the reading ends with the lease."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(document))
                while not (await asyncio.wait((reading,), timeout=self._lease_s / 3))[0]:
                    with suppress(ServiceUnavailable):
                        await self._queue.renew(document, progress=READING_PERCENT)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return reading.result()

    async def _read(self, document: ClaimedDocument) -> tuple[TextChunk, ...]:
        async with self._ports.files.room(document.size_bytes):
            content = await self._ports.files.get(document.organization_id, document.id)
        if content is None:
            raise OriginalLost
        sizes = document.chunking
        cut = Cut(size=sizes.size, overlap=sizes.overlap)
        return await self._ports.sandbox.chunks(self._parser(document), content, cut)

    def _parser(self, document: ClaimedDocument) -> Parser:
        for parser in self._ports.parsers.values():
            if parser.content_type == document.content_type:
                return parser
        raise FormatForgotten(f"No parser reads {document.content_type}.")

    async def _give_up(self, document: ClaimedDocument, problem: Problem, *, retry: bool) -> None:
        log.info("document_failed", document_id=document.id, code=problem.code(), retry=retry)
        with suppress(LeaseLost, Problem):
            await self._queue.fail(document, problem, retry=retry)


def _pause_s(claimed: list[ClaimedDocument] | None) -> float:
    """How long to wait before the next claim."""
    if claimed is None:
        return RETRY_POLL_S
    return 0 if claimed else POLL_S


def _failed() -> IndexingFailed:
    return IndexingFailed(f"It was tried {MAX_ATTEMPTS} times. Upload it again, or ask us.")


@asynccontextmanager
async def open_indexing(ports: Ports) -> FeatureContext:
    """The workers for as long as the service runs; what they hold at the end is given back."""
    async with asyncio.TaskGroup() as tasks:
        workers = (
            tasks.create_task(kept_up(IndexingWorker(ports).run)),
            tasks.create_task(kept_up(EmbeddingWorker(ports).run)),
        )
        try:
            yield None
        finally:
            if ports.draining.is_set():  # they end by themselves, and mostly have
                await asyncio.wait(workers, timeout=FINISH_S)
            for worker in workers:
                worker.cancel()
