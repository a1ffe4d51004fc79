"""Gives chunks their vectors: in batches, resumed where it stopped, while search goes on."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog

from app.core.errors import Problem
from app.core.ids import OrganizationId, new_id
from app.core.pauses import Pause
from app.core.schemas import Resource
from app.ports import Ports
from app.ports.embedder import EmbedderRefused, EmbedderUnavailable, ResolvedEmbedder, written

LEASE_S = 120
BATCH_S = 90.0
BATCH = 128
POLL_S = 1.0
RELEASED_WITHIN_S = 4.0
PAUSES_S = (2, 5, 15, 60, 300)
log = structlog.get_logger(__name__)


class WantingChunk(Resource):
    """A chunk without a vector; a known text has one that is kept already."""

    id: str
    number: int
    text: str
    sha256: str
    is_known: bool


class ClaimedBase(Resource):
    """A base whose next chunks this worker may embed until its lease runs out."""

    id: str
    organization_id: OrganizationId
    model: str
    lease_id: str
    failures: int
    next_number: int
    chunks: list[WantingChunk]

    @property
    def done_to(self) -> int:
        """The number below which all chunks have vectors once this batch has."""
        last = self.chunks[-1].number + 1 if self.chunks else 0
        return last if len(self.chunks) == BATCH else max(last, self.next_number)


class EmbeddingWorker:
    """One of any number of workers over the same bases."""

    def __init__(self, ports: Ports, *, pauses_s: tuple[int, ...] = PAUSES_S) -> None:
        self._ports = ports
        self._pauses_s = pauses_s
        self._draining = ports.draining
        self._is_asking = False

    async def run(self) -> None:
        """Work until the service drains or this is cancelled; a batch held then is given back.

        Where no embedder is set up there is nothing to do.
        """
        if not self._ports.embedders.any_configured:
            return
        with suppress(Problem):
            await self._ports.database.system().call("cached_vectors_sweep_v1")
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._work())
            await self._draining.wait()
            # Vectors may take long; claims and reports end soon, and what they do is known then.
            if self._is_asking:
                working.cancel()

    async def _work(self) -> None:
        pause = Pause(log, "embedding")
        while not self._draining.is_set():
            try:
                did_something = await self.step()
                pause.is_over()
            except Problem as problem:
                pause.goes_on(problem)
                did_something = False
            if not did_something:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._draining.wait()

    async def step(self) -> bool:
        """Embed the next batch of some base; says whether there was one."""
        row = await self._ports.database.system().call(
            "embeddings_claim_v1",
            lease_id=new_id(),
            lease_s=LEASE_S,
            limit=BATCH,
            models=self._ports.embedders.configured,
            default=self._ports.settings.embedding_model_id,
        )
        if row is None:
            return False
        base = ClaimedBase.model_validate(row)
        try:
            await self._work_on(base)
        except asyncio.CancelledError:
            await self._release(base)
            raise
        return True

    async def _work_on(self, base: ClaimedBase) -> None:
        if self._draining.is_set():
            await self._release(base)
            return
        try:
            rows, dimensions = await self._asked(base)
        except Problem as problem:
            await self._postpone(base, problem)
            return
        kept = await self._call(
            base, "embeddings_keep_v1", dimensions=dimensions, rows=rows, done_to=base.done_to
        )
        log.info("chunks_embedded", base_id=base.id, count=len(rows), outcome=kept)

    async def _release(self, base: ClaimedBase) -> None:
        try:
            async with asyncio.timeout(RELEASED_WITHIN_S):
                was_held = await self._ports.database.system().call(
                    "embeddings_release_v1", id=base.id, lease_id=base.lease_id
                )
        except (Problem, TimeoutError) as error:
            # Its lease runs out in a while.
            log.warning("embedding_not_released", base_id=base.id, reason=repr(error))
        else:
            log.info("embedding_released", base_id=base.id, was_held=was_held)

    async def _asked(self, base: ClaimedBase) -> tuple[list[dict[str, Any]], int | None]:
        """What `_embed` returns, unless the service drains before."""
        self._is_asking = True
        try:
            return await self._embed(base)
        finally:
            self._is_asking = False

    async def _embed(self, base: ClaimedBase) -> tuple[list[dict[str, Any]], int | None]:
        """A row for each chunk that can have a vector, and the length of new ones."""
        known = [chunk for chunk in base.chunks if chunk.is_known]
        new = [chunk for chunk in base.chunks if not chunk.is_known]
        rows: list[dict[str, Any]] = [{"id": one.id, "sha256": one.sha256} for one in known]
        dimensions = None
        for chunk, vector in await self._vectors(base, new):
            dimensions = len(vector)
            rows.append({"id": chunk.id, "sha256": chunk.sha256, "vector": written(vector)})
        return rows, dimensions

    async def _vectors(
        self, base: ClaimedBase, chunks: list[WantingChunk]
    ) -> list[tuple[WantingChunk, tuple[float, ...]]]:
        if not chunks:
            return []
        model = self._ports.embedders.resolve(base.model)
        try:
            vectors = await model.embed(
                [chunk.text for chunk in chunks], purpose="document", total_s=BATCH_S
            )
        except EmbedderRefused:
            if len(chunks) == 1 or base.failures < 1:
                raise
            # Refused twice as a whole: one text may be what it does not take.
            return await self._one_by_one(model, chunks)
        return list(zip(chunks, vectors, strict=True))

    async def _one_by_one(
        self, model: ResolvedEmbedder, chunks: list[WantingChunk]
    ) -> list[tuple[WantingChunk, tuple[float, ...]]]:
        """The vectors of those texts that are taken; if none is, the texts are not to blame."""
        taken: list[tuple[WantingChunk, tuple[float, ...]]] = []
        refusal: EmbedderRefused | None = None
        for chunk in chunks:
            try:
                (vector,) = await model.embed([chunk.text], purpose="document", total_s=BATCH_S)
            except EmbedderRefused as problem:
                refusal = problem
                if len(taken) == 0 and chunk is not chunks[0]:
                    break
            else:
                taken.append((chunk, vector))
        if not taken and refusal is not None:
            raise refusal
        return taken

    async def _postpone(self, base: ClaimedBase, problem: Problem) -> None:
        pause_s = self._pauses_s[min(base.failures, len(self._pauses_s) - 1)]
        level = log.warning if isinstance(problem, EmbedderUnavailable) else log.error
        level("embedding_postponed", base_id=base.id, code=problem.code(), pause_s=pause_s)
        await self._call(
            base,
            "embeddings_postpone_v1",
            pause_s=pause_s,
            error=(problem.detail or problem.title())[:500],
        )

    async def _call(self, base: ClaimedBase, function: str, **arguments: Any) -> Any:
        return await self._ports.database.scoped(base.organization_id).call(
            function, id=base.id, lease_id=base.lease_id, **arguments
        )
