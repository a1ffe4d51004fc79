"""Knowledge bases, documents and search in the database."""

from typing import Any

from app.core.ids import DocumentId, KnowledgeBaseId, OrganizationId, new_id
from app.features.knowledge.errors import KnowledgeBaseNotFound
from app.features.knowledge.schemas import Chunk, Document, Hit, KnowledgeBase, UploadedDocument
from app.ports.store import Database


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

    async def create_document(self, fields: dict[str, Any]) -> UploadedDocument:
        result = await self._scope.call("document_create_v1", document=fields)
        if result["outcome"] == "base_not_found":
            raise KnowledgeBaseNotFound
        duplicate = result["outcome"] == "duplicate"
        return UploadedDocument.model_validate(result["document"] | {"duplicate": duplicate})

    async def list_documents(
        self, *, limit: int, after: str | None, text: str | None, where: dict[str, Any]
    ) -> list[Document]:
        rows = await self._scope.call(
            "rows_find_v1", table="documents", where=where, limit=limit, after=after, text=text
        )
        return [Document.model_validate(row) for row in rows]

    async def find_document(self, document_id: DocumentId) -> Document | None:
        rows = await self._scope.call(
            "rows_find_v1", table="documents", where={"id": document_id}, limit=1
        )
        return Document.model_validate(rows[0]) if rows else None

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
        query: str,
        *,
        base_ids: list[str],
        limit: int,
        threshold: float,
        filters: dict[str, Any],
    ) -> tuple[list[Hit], int]:
        """The best passages and how many there are in all."""
        result = await self._scope.call(
            "knowledge_search_v1",
            base_ids=base_ids,
            query=query,
            limit=limit,
            threshold=threshold,
            filters=filters,
        )
        return [Hit.model_validate(row) for row in result["data"]], result["total_results"]
