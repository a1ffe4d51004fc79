"""The queue of documents as a worker sees it; every step carries the lease that fences it."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from app.core.errors import Problem
from app.core.ids import OrganizationId, new_id
from app.core.schemas import Resource
from app.domain_events import EVENTS
from app.domain_events.document_failed import DocumentFailed
from app.domain_events.document_ready import DocumentReady
from app.features.knowledge.base_schemas import Chunking
from app.ports.parser import TextChunk
from app.ports.store import Database

_COLUMNS = tuple(field.name for field in fields(TextChunk))


class LeaseLost(Exception):
    """Another worker has taken the document over."""


class ClaimedDocument(Resource):
    """A document that this worker may index until its lease runs out."""

    id: str
    organization_id: OrganizationId
    knowledge_base_id: str
    name: str
    content_type: str
    size_bytes: int
    attempts: int
    lease_id: str
    chunking: Chunking

    @property
    def claim(self) -> tuple[str, str]:
        """What tells this claim from an earlier one of the same document."""
        return self.id, self.lease_id


class IndexingQueue:
    """Claims documents and reports on them."""

    def __init__(self, database: Database, *, lease_s: int) -> None:
        self._database = database
        self._lease_s = lease_s

    async def claim(
        self, lease_id: str, *, limit: int, per_organization: int
    ) -> list[ClaimedDocument]:
        """Documents that wait, or whose worker went silent, of the least busy organizations."""
        rows = await self._database.system().call(
            "documents_claim_v2",
            lease_id=lease_id,
            lease_s=self._lease_s,
            limit=limit,
            per_organization=per_organization,
        )
        return [ClaimedDocument.model_validate(row) for row in rows]

    async def stage(
        self, document: ClaimedDocument, chunks: Sequence[TextChunk], *, progress: int
    ) -> None:
        """Add a batch out of sight, tell the progress and renew the lease.

        Batches of one document may come in any order and at once.
        """
        await self._step(
            document,
            "document_stage_v2",
            lease_s=self._lease_s,
            chunks=[_row(chunk) for chunk in chunks],
            progress=progress,
        )

    async def renew(self, document: ClaimedDocument, *, progress: int) -> None:
        """Keep the lease while the document is worked on."""
        await self.stage(document, [], progress=progress)

    async def publish(self, document: ClaimedDocument, *, chunk_count: int) -> None:
        """Make the whole document searchable at once."""
        ready = DocumentReady(
            document_id=document.id,
            knowledge_base_id=document.knowledge_base_id,
            name=document.name,
            chunk_count=chunk_count,
        )
        await self._step(
            document, "document_publish_v1", events=[EVENTS["document_ready"].of(ready)]
        )

    async def fail(self, document: ClaimedDocument, problem: Problem, *, retry: bool) -> None:
        """Give the document up with the reason, or back to the queue."""
        failed = DocumentFailed(
            document_id=document.id,
            knowledge_base_id=document.knowledge_base_id,
            name=document.name,
            code=problem.code(),
        )
        await self._step(
            document,
            "document_fail_v1",
            error={"code": problem.code(), "detail": problem.detail or problem.title()},
            retry=retry,
            events=[EVENTS["document_failed"].of(failed)],
        )

    async def release(self, document: ClaimedDocument) -> bool:
        """Give the document back as if it had not been claimed; False when the lease was lost."""
        return await self._database.system().call(
            "document_release_v1", id=document.id, lease_id=document.lease_id
        )

    async def sweep(self) -> int:
        """Forget files whose document was never made."""
        return int(await self._database.system().call("files_sweep_v2"))

    async def _step(self, document: ClaimedDocument, function: str, **arguments: Any) -> None:
        held = await self._database.scoped(document.organization_id).call(
            function, id=document.id, lease_id=document.lease_id, **arguments
        )
        if not held:
            raise LeaseLost


def _row(chunk: TextChunk) -> dict[str, Any]:
    # Of thousands, with `asdict`, this took four times as long as writing the JSON.
    return {name: getattr(chunk, name) for name in _COLUMNS} | {"id": new_id()}
