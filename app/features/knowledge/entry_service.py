"""Adds documents that are not uploaded, and indexes any document anew."""

from app.core.ids import DocumentId, KnowledgeBaseId
from app.features.knowledge.entries import DocumentCreate, written
from app.features.knowledge.errors import DocumentDuplicated, DocumentNotFound
from app.features.knowledge.fetching import fetch_source
from app.features.knowledge.incoming import IncomingFile
from app.features.knowledge.repository import KnowledgeRepository
from app.features.knowledge.schemas import Document, SourcedDocument, UploadedDocument
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.web.auth import Caller


class EntryService:
    """The entries of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._organization_id = caller.organization_id
        self._knowledge = KnowledgeService(ports, caller)
        self._repository = KnowledgeRepository(ports.database, caller.organization_id)

    async def add(self, body: DocumentCreate) -> UploadedDocument:
        """Keep what was sent, or what its address gives now, and queue it for indexing.

        Raises:
            KnowledgeBaseNotFound: this organization has no such base.
            AddressRefused, FetchFailed, FormatNotSupported: the address gives no document.
        """
        base_id = KnowledgeBaseId(body.knowledge_base_id)
        if body.url is None:
            return await self._add(body, written(body))
        await self._knowledge.get_base(base_id)
        url = self._ports.fetch.canonical(body.url)
        known = await self._repository.find_sourced(base_id, url)
        if known is not None:
            return await self._refresh(known, body)
        file = await self._fetch(url, name=body.name)
        assert file is not None, "nothing is known that could be unchanged"
        return await self._add(body, file)

    async def _add(self, body: DocumentCreate, file: IncomingFile) -> UploadedDocument:
        base_id = KnowledgeBaseId(body.knowledge_base_id)
        return await self._knowledge.add_file(file, base_id, body.metadata, language=body.language)

    async def reindex(self, document_id: DocumentId) -> Document:
        """Queue a document anew; one that has an address is asked for there first.

        Raises:
            DocumentNotFound: this organization has no such document.
            DocumentDuplicated: the address now gives what another document of the base holds.
            AddressRefused, FetchFailed, FormatNotSupported: the address gives no document any more.
        """
        document = await self._repository.find_document(document_id)
        if document is None:
            raise DocumentNotFound
        if document.source_url is None:
            return await self._repository.reindex_document(document_id, None)
        return await self._renew(document, await self._changed(document))

    async def _refresh(self, known: SourcedDocument, body: DocumentCreate) -> UploadedDocument:
        file = await self._changed(known)
        if file is None and known.status == "failed":
            sent = {
                "name": body.name or known.name,
                "content_type": known.content_type,
                "sha256": known.sha256,
                "metadata": body.metadata,
                "language": body.language,
            }
            retried = await self._repository.retry_document(DocumentId(known.id), sent)
            if retried is not None:
                return retried
        document = known if file is None else await self._renew(known, file)
        return UploadedDocument(**document.model_dump(), duplicate=file is None)

    async def _changed(self, document: SourcedDocument) -> IncomingFile | None:
        """What the address gives now, unless it is what is kept."""
        assert document.source_url
        file = await self._fetch(document.source_url, name=document.name, known=document)
        return None if file is None or file.sha256 == document.sha256 else file

    async def _fetch(
        self, url: str, *, name: str | None, known: SourcedDocument | None = None
    ) -> IncomingFile | None:
        return await fetch_source(
            self._ports.fetch,
            self._ports.parsers,
            url,
            name=name,
            known=known.source if known else None,
        )

    async def _renew(self, document: Document, file: IncomingFile | None) -> Document:
        document_id = DocumentId(document.id)
        if file is None:
            return await self._repository.reindex_document(document_id, {})
        twin = await self._repository.find_by_content(document.knowledge_base_id, file.sha256)
        if twin is not None:
            raise DocumentDuplicated(f"The address now gives what the document {twin.id} holds.")
        # The bytes first: a document must never wait for what was lost.
        await self._ports.files.put(self._organization_id, document.id, file.content)
        return await self._repository.reindex_document(document_id, file.renewal())
