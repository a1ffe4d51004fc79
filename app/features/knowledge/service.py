"""What can be done with knowledge."""

from typing import Any

from app.core.ids import DocumentId, KnowledgeBaseId, new_id
from app.features.knowledge.base_schemas import BaseCreate, BaseUpdate, KnowledgeBase, Reindexing
from app.features.knowledge.errors import (
    DocumentNotFound,
    KnowledgeBaseNotFound,
)
from app.features.knowledge.incoming import IncomingFile
from app.features.knowledge.repository import KnowledgeRepository
from app.features.knowledge.schemas import (
    Chunk,
    Document,
    Mode,
    SearchResult,
    UploadedDocument,
)
from app.features.knowledge.searched import Question
from app.features.knowledge.searching import Search
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
        self._check_model(body.embedding_model)
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
        self._check_model(body.embedding_model)
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        base = await self._repository.update_base(base_id, changes)
        if base is None:
            raise KnowledgeBaseNotFound
        return base

    def _check_model(self, model: str | None) -> None:
        if model not in (None, "none"):
            self._ports.embedders.resolve(model)

    async def reindex_base(self, base_id: KnowledgeBaseId) -> Reindexing:
        """Queue all documents of the base anew."""
        await self.get_base(base_id)
        return Reindexing(documents=await self._repository.reindex_base(base_id))

    async def delete_base(self, base_id: KnowledgeBaseId) -> None:
        """Delete the base with its documents; agents lose it."""
        if not await self._repository.delete_base(base_id):
            raise KnowledgeBaseNotFound

    async def add_file(
        self,
        file: IncomingFile,
        base_id: KnowledgeBaseId,
        metadata: dict[str, Any],
        *,
        language: str | None = None,
    ) -> UploadedDocument:
        """Keep a file and queue it for indexing; both are durable when this returns.

        The same bytes again give the document that is there, as it is: tried anew if it has failed.

        Raises:
            KnowledgeBaseNotFound: this organization has no such base.
        """
        # The file first: a document must never wait for bytes that were lost.
        base = await self.get_base(base_id)
        key = new_id()
        await self._ports.files.put(self._caller.organization_id, key, file.content)
        # Only what differs is kept with the document: every search reads all that do.
        fields = file.fields(base_id, metadata, None if language == base.language else language)
        document = await self._repository.create_document(fields | {"id": key})
        if document.duplicate:
            document = await self._tried_anew(document, file, fields)
            await self._ports.files.delete(self._caller.organization_id, key)
        return document

    async def _tried_anew(
        self, document: UploadedDocument, file: IncomingFile, fields: dict[str, Any]
    ) -> UploadedDocument:
        """The document that is there; one that has failed is queued as it is sent now."""
        if document.status != "failed" or document.sha256 != file.sha256:
            return document
        # They may be what was lost, and the reason.
        await self._ports.files.put(self._caller.organization_id, document.id, file.content)
        return await self._repository.retry_document(DocumentId(document.id), fields) or document

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
        is_marked: bool = False,
    ) -> SearchResult:
        """The passages that answer best; without vectors `hybrid` is served as `lexical`.

        Without `must_exist` a base that is gone holds nothing, and a look-up is saved. Highlights
        are looked up only if it `is_marked`.

        Raises:
            KnowledgeBaseNotFound: one of the bases does not exist in this organization.
            EmbedderNotConfigured: semantic search was asked for by name.
        """
        question = Question(
            text=query,
            base_ids=list(dict.fromkeys(base_ids)),
            top_k=top_k,
            threshold=threshold,
            mode=mode,
            filters=filters or {},
            must_exist=must_exist,
            is_marked=is_marked,
        )
        return await Search(self._ports, self._repository).answer(question)

    async def note_gap(
        self, question: str, *, agent_id: str, conversation_id: str, base_ids: list[str]
    ) -> None:
        """Count a question of a chat that found nothing; a chat never fails for it."""
        await self._repository.note_gap(
            question, agent_id=agent_id, conversation_id=conversation_id, base_ids=base_ids
        )
