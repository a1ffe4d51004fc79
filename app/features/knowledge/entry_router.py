"""/api/v2/knowledge/documents: texts, addresses, questions with answers, and indexing anew."""

from typing import Annotated

from fastapi import Depends, Path, Response

from app.core.errors import PayloadTooLarge
from app.core.ids import DocumentId
from app.core.schemas import Id
from app.features.knowledge.entries import DocumentCreate
from app.features.knowledge.entry_service import EntryService
from app.features.knowledge.errors import (
    DocumentDuplicated,
    DocumentNotFound,
    FormatNotSupported,
    KnowledgeBaseNotFound,
    SourceFailed,
)
from app.features.knowledge.schemas import Document, UploadedDocument
from app.ports.fetch import AddressRefused, FetchFailed, FetchTimedOut
from app.web.auth import KnowledgeWriter
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge/documents")
PathId = Annotated[Id, Path(description="The document's id.")]
FETCHING = (AddressRefused, FetchFailed, FetchTimedOut, SourceFailed, FormatNotSupported)


async def _entries(ports: OpenPorts, caller: KnowledgeWriter) -> EntryService:
    return EntryService(ports, caller)


Entries = Annotated[EntryService, Depends(_entries)]


@router.post(
    "",
    status_code=202,
    summary="Add a text, an address or an answer",
    responses={
        200: {"model": UploadedDocument, "description": "It was in the base already."},
        **problems(KnowledgeBaseNotFound, PayloadTooLarge, DocumentDuplicated, *FETCHING),
    },
)
@at_its_own_pace
async def create_document(
    body: DocumentCreate, entries: Entries, response: Response
) -> UploadedDocument:
    """A document without an upload: `text`, or `url`, or `question` with `answer`.

    Markdown headings of a text become its structure. An address is read at once, within 30 s and
    25 MiB, and told from its bytes as an upload is; sent again to the same base it is read again,
    and indexed anew if it has changed or had failed. What the base holds already is
    `duplicate: true`, as for an upload. A question is found by its own words and by its answer's.
    """
    document = await entries.add(body)
    response.headers["Location"] = f"/api/v2/knowledge/documents/{document.id}"
    if document.duplicate:
        response.status_code = 200
    return document


@router.post(
    "/{document_id}/reindex",
    status_code=202,
    summary="Index a document anew",
    responses=problems(DocumentNotFound, PayloadTooLarge, DocumentDuplicated, *FETCHING),
)
@at_its_own_pace
async def reindex_document(document_id: PathId, entries: Entries) -> Document:
    """Cut as its base says now. One that has an address is asked for there first.

    Searches find it as it was until it is whole again; so they do if it can be read no more.
    """
    return await entries.reindex(DocumentId(document_id))


FEATURE = Feature("entries", router)
