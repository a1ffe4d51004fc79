"""Knowledge bases, documents and search in the database."""

from typing import Any

import structlog

from app.core.errors import Problem
from app.core.ids import DocumentId, KnowledgeBaseId, OrganizationId, new_id
from app.core.schemas import Resource
from app.features.knowledge.base_schemas import KnowledgeBase
from app.features.knowledge.errors import (
    DocumentDuplicated,
    DocumentNotFound,
    KnowledgeBaseNotFound,
)
from app.features.knowledge.schemas import (
    Chunk,
    Document,
    Mode,
    Passage,
    SourcedDocument,
    UploadedDocument,
)
from app.features.knowledge.searched import Question
from app.features.knowledge.wording import impersonal
from app.ports.store import Database

log = structlog.get_logger(__name__)


class Found(Resource):
    """The first passages of a search, how many there are in all, and the stems looked for."""

    data: list[Passage]
    total_results: int
    terms: list[str]


class KnowledgeRepository:
    """The knowledge of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def create_base(self, fields: dict[str, Any]) -> KnowledgeBase:
        row = await self._scope.call(
            "row_insert_v1", table="knowledge_bases", row=fields | {"id": new_id()}
        )
        return KnowledgeBase.model_validate(row)

    async def list_bases(
        self, *, limit: int, after: str | None, text: str | None
    ) -> list[KnowledgeBase]:
        rows = await self._scope.call(
            "rows_find_v1", table="knowledge_bases", limit=limit, after=after, text=text
        )
        return [KnowledgeBase.model_validate(row) for row in rows]

    async def find_bases(self, base_ids: list[str]) -> list[KnowledgeBase]:
        rows = await self._scope.call(
            "rows_find_v1",
            table="knowledge_bases",
            where={"id": {"in": base_ids}},
            limit=len(base_ids),
        )
        return [KnowledgeBase.model_validate(row) for row in rows]

    async def update_base(
        self, base_id: KnowledgeBaseId, changes: dict[str, Any]
    ) -> KnowledgeBase | None:
        row = await self._scope.call(
            "row_update_v1", table="knowledge_bases", id=base_id, changes=changes
        )
        return None if row is None else KnowledgeBase.model_validate(row)

    async def delete_base(self, base_id: KnowledgeBaseId) -> bool:
        return bool(await self._scope.call("knowledge_base_delete_v1", id=base_id))

    async def note_gap(
        self, question: str, *, agent_id: str, conversation_id: str, base_ids: list[str]
    ) -> None:
        try:
            await self._scope.call(
                "gap_record_v2",
                id=new_id(),
                agent_id=agent_id,
                conversation_id=conversation_id,
                base_ids=base_ids,
                question=impersonal(question),
            )
        except Problem as problem:
            log.warning("gap_not_noted", code=problem.code())

    async def reindex_base(self, base_id: KnowledgeBaseId) -> int:
        return int(await self._scope.call("knowledge_base_reindex_v1", id=base_id))

    async def create_document(self, fields: dict[str, Any]) -> UploadedDocument:
        result = await self._scope.call("document_create_v2", document=fields)
        if result["outcome"] == "base_not_found":
            raise KnowledgeBaseNotFound
        duplicate = result["outcome"] == "duplicate"
        return UploadedDocument.model_validate(result["document"] | {"duplicate": duplicate})

    async def retry_document(
        self, document_id: DocumentId, fields: dict[str, Any]
    ) -> UploadedDocument | None:
        """Queue a document that has failed, as it is sent now; None if it has not."""
        row = await self._scope.call("document_retry_v1", id=document_id, document=fields)
        return None if row is None else UploadedDocument.model_validate(row)

    async def list_documents(
        self, *, limit: int, after: str | None, text: str | None, where: dict[str, Any]
    ) -> list[Document]:
        rows = await self._scope.call(
            "rows_find_v1", table="documents", where=where, limit=limit, after=after, text=text
        )
        return [Document.model_validate(row) for row in rows]

    async def find_document(self, document_id: DocumentId) -> SourcedDocument | None:
        return await self._find_one({"id": document_id})

    async def find_sourced(self, base_id: KnowledgeBaseId, url: str) -> SourcedDocument | None:
        return await self._find_one({"knowledge_base_id": base_id, "source_url": url})

    async def find_by_content(self, base_id: str, sha256: str) -> SourcedDocument | None:
        return await self._find_one({"knowledge_base_id": base_id, "sha256": sha256})

    async def _find_one(self, where: dict[str, Any]) -> SourcedDocument | None:
        rows = await self._scope.call("rows_find_v1", table="documents", where=where, limit=1)
        return SourcedDocument.model_validate(rows[0]) if rows else None

    async def reindex_document(
        self, document_id: DocumentId, source: dict[str, Any] | None
    ) -> Document:
        """Queue it anew, with what was fetched: nothing new if that is empty."""
        result = await self._scope.call("document_reindex_v1", id=document_id, source=source)
        if result["outcome"] == "not_found":
            raise DocumentNotFound
        if result["outcome"] == "duplicate":
            raise DocumentDuplicated
        return Document.model_validate(result["document"])

    async def delete_document(self, document_id: DocumentId) -> bool:
        return bool(await self._scope.call("document_delete_v1", id=document_id))

    async def chunks(
        self, document_id: DocumentId, *, limit: int, after: str | None
    ) -> list[Chunk]:
        rows = await self._scope.call(
            "rows_find_v1",
            table="chunks",
            where={"document_id": document_id},
            limit=limit,
            order_by="ordinal",
            descending=False,
            after=after,
        )
        return [Chunk.model_validate(row) for row in rows]

    async def search(
        self,
        question: Question,
        *,
        limit: int,
        vectors: list[dict[str, object]],
        mode: Mode,
    ) -> Found:
        """The best passages, and what was looked for."""
        result = await self._scope.call(
            "knowledge_search_v2",
            base_ids=question.base_ids,
            query=question.text,
            limit=limit,
            threshold=question.threshold,
            filters=question.filters,
            vectors=vectors,
            mode=mode,
        )
        return Found.model_validate(result)

    async def mark(self, chunk_ids: list[str], terms: list[str]) -> dict[str, list[str]]:
        """By chunk, its first sentences in which one of the terms of a search stands."""
        return await self._scope.call("chunks_mark_v1", ids=chunk_ids, terms=terms)
