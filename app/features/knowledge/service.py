"""What can be done with knowledge."""

from typing import Any

from app.core.clock import elapsed_ms
from app.core.ids import DocumentId, KnowledgeBaseId, new_id
from app.features.knowledge.errors import (
    DocumentNotFound,
    EmbedderNotConfigured,
    KnowledgeBaseNotFound,
)
from app.features.knowledge.incoming import IncomingFile, display_name
from app.features.knowledge.repository import KnowledgeRepository
from app.features.knowledge.schemas import (
    BaseCreate,
    BaseUpdate,
    Chunk,
    Document,
    DocumentText,
    KnowledgeBase,
    Mode,
    SearchResult,
    UploadedDocument,
)
from app.ports import Ports
from app.web.auth import Caller


class KnowledgeService:
    """The knowledge of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller
        self._repository = KnowledgeRepository(ports.database, caller.organization_id)

    async def create_base(self, body: BaseCreate) -> KnowledgeBase:
        """A new, empty base."""
        return await self._repository.create_base(body.model_dump(mode="json"))

    async def list_bases(
        self, *, limit: int, after: str | None, q: str | None
    ) -> list[KnowledgeBase]:
        """Newest first, after the base with that id."""
        return await self._repository.list_bases(limit=limit, after=after, text=q)

    async def get_base(self, base_id: KnowledgeBaseId) -> KnowledgeBase:
        """One base.

        Raises:
            KnowledgeBaseNotFound: this organization has no such base.
        """
        found = await self._repository.find_bases([base_id])
        if not found:
            raise KnowledgeBaseNotFound
        return found[0]

    async def update_base(self, base_id: KnowledgeBaseId, body: BaseUpdate) -> KnowledgeBase:
        """The base with the sent fields changed."""
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        base = await self._repository.update_base(base_id, changes)
        if base is None:
            raise KnowledgeBaseNotFound
        return base

    async def delete_base(self, base_id: KnowledgeBaseId) -> None:
        """Delete the base with its documents; agents lose it."""
        if not await self._repository.delete_base(base_id):
            raise KnowledgeBaseNotFound

    async def add_text(self, body: DocumentText) -> UploadedDocument:
        """Queue a text for indexing."""
        text = IncomingFile(display_name(body.name), body.text.encode(), "text/markdown")
        return await self.add_file(text, KnowledgeBaseId(body.knowledge_base_id), body.metadata)

    async def add_file(
        self, file: IncomingFile, base_id: KnowledgeBaseId, metadata: dict[str, Any]
    ) -> UploadedDocument:
        """Keep a file and queue it for indexing; both are durable when this returns.

        Raises:
            KnowledgeBaseNotFound: this organization has no such base.
        """
        # The file first: a document must never wait for bytes that were lost.
        await self.get_base(base_id)
        key = new_id()
        await self._ports.files.put(self._caller.organization_id, key, file.content)
        document = await self._repository.create_document(
            file.fields(base_id, metadata) | {"id": key}
        )
        if document.duplicate:
            await self._ports.files.delete(self._caller.organization_id, key)
        return document

    async def list_documents(
        self, *, limit: int, after: str | None, q: str | None, where: dict[str, Any]
    ) -> list[Document]:
        """Newest first, after the document with that id."""
        return await self._repository.list_documents(limit=limit, after=after, text=q, where=where)

    async def get_document(self, document_id: DocumentId) -> Document:
        """One document.

        Raises:
            DocumentNotFound: this organization has no such document.
        """
        document = await self._repository.find_document(document_id)
        if document is None:
            raise DocumentNotFound
        return document

    async def delete_document(self, document_id: DocumentId) -> None:
        """Delete the document with its file; search stops finding it at once."""
        if not await self._repository.delete_document(document_id):
            raise DocumentNotFound

    async def chunks(
        self, document_id: DocumentId, *, limit: int, after: str | None
    ) -> list[Chunk]:
        """The pieces of a document in their order, after that ordinal."""
        await self.get_document(document_id)
        return await self._repository.chunks(document_id, limit=limit, after=after)

    async def content(self, document_id: DocumentId) -> tuple[Document, bytes]:
        """A document and its original bytes."""
        document = await self.get_document(document_id)
        content = await self._ports.files.get(self._caller.organization_id, document_id)
        if content is None:
            raise DocumentNotFound
        return document, content

    async def search(
        self,
        query: str,
        *,
        base_ids: list[str],
        top_k: int,
        threshold: float,
        mode: Mode = "hybrid",
        filters: dict[str, Any] | None = None,
        must_exist: bool = True,
    ) -> SearchResult:
        """The passages that answer best; without an embedder `hybrid` is served as `lexical`.

        Without `must_exist` a base that is gone holds nothing, and a look-up is saved.

        Raises:
            KnowledgeBaseNotFound: one of the bases does not exist in this organization.
            EmbedderNotConfigured: semantic search was asked for by name.
        """
        if mode == "semantic":
            raise EmbedderNotConfigured("Search with mode `lexical` or `hybrid`.")
        started_s = self._ports.clock.monotonic_s()
        wanted = list(dict.fromkeys(base_ids))
        if must_exist and len(await self._repository.find_bases(wanted)) != len(wanted):
            raise KnowledgeBaseNotFound
        hits, total = await self._repository.search(
            query, base_ids=wanted, limit=top_k, threshold=threshold, filters=filters or {}
        )
        return SearchResult(
            data=hits,
            query=query,
            mode_used="lexical",
            total_results=total,
            took_ms=elapsed_ms(self._ports.clock, started_s),
        )
