"""/api/v2/knowledge: uploads and documents."""

from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import Depends, File, Form, Path, Query, Response, UploadFile

from app.core.errors import PayloadTooLarge
from app.core.ids import DocumentId, KnowledgeBaseId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.core.strict_json import JsonRefused, read_json
from app.features.knowledge.base_schemas import IN_ANOTHER_LANGUAGE, Language
from app.features.knowledge.errors import (
    DocumentNotFound,
    FormatNotSupported,
    InvalidUpload,
    KnowledgeBaseNotFound,
)
from app.features.knowledge.incoming import MAX_FILE_BYTES, MAX_FILES, received
from app.features.knowledge.schemas import (
    Chunk,
    Document,
    Status,
    Uploaded,
    UploadedDocument,
)
from app.features.knowledge.service import KnowledgeService
from app.web.auth import KnowledgeReader, KnowledgeWriter
from app.web.bodies import NoRoomForUpload
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge")
PathId = Annotated[Id, Path(description="The document's id.")]


async def _readable(ports: OpenPorts, caller: KnowledgeReader) -> KnowledgeService:
    return KnowledgeService(ports, caller)


async def _writable(ports: OpenPorts, caller: KnowledgeWriter) -> KnowledgeService:
    return KnowledgeService(ports, caller)


Readable = Annotated[KnowledgeService, Depends(_readable)]
Writable = Annotated[KnowledgeService, Depends(_writable)]


async def _metadata(
    metadata: Annotated[
        str | None,
        Form(
            max_length=20_000,
            description="A JSON object, kept with each document.",
            examples=['{"team": "loja"}'],
        ),
    ] = None,
) -> dict[str, Any]:
    try:
        value: Any = read_json(metadata.encode()) if metadata else {}
        if not isinstance(value, dict):
            raise JsonRefused("is not a JSON object")
    except JsonRefused as refused:
        detail = str(refused)
    except UnicodeEncodeError:
        detail = "is not valid UTF-8"
    else:
        return cast("dict[str, Any]", value)
    raise InvalidUpload(errors=[{"pointer": "/metadata", "detail": detail}])


@router.post(
    "/upload",
    status_code=202,
    summary="Upload files",
    responses={
        200: {"model": Uploaded, "description": "All of them were in the base already."},
        **problems(
            KnowledgeBaseNotFound,
            InvalidUpload,
            PayloadTooLarge,
            FormatNotSupported,
            NoRoomForUpload,
        ),
    },
)
@at_its_own_pace
async def upload(
    ports: OpenPorts,
    knowledge: Writable,
    response: Response,
    file: Annotated[list[UploadFile], File(description="Up to 20 files of up to 25 MiB each.")],
    knowledge_base_id: Annotated[Id, Form()],
    metadata: Annotated[dict[str, Any], Depends(_metadata)],
    language: Annotated[Language | None, Form(description=IN_ANOTHER_LANGUAGE)] = None,
) -> Uploaded:
    """Files told from their bytes, whatever they are called.

    PDF, Word (docx), PowerPoint (pptx), Excel (xlsx, xls), OpenDocument (odt, ods), EPUB, e-mail
    (eml), HTML, Markdown, CSV, JSON and plain text. Headings become the path of each passage, rows
    of tables carry the names of their columns, pages and slides are counted.

    Indexing goes on after the answer; follow it at `GET /documents/{id}`: `status` and `progress`.
    Unless all files are acceptable, none is kept. Each file is read in a process of its own with
    limits on time and memory. One that cannot be read becomes `failed`, and `error.code` says why:
    `document_encrypted`, `document_without_text` (a scan), `document_empty`,
    `document_too_complex`, `document_unreadable`.

    Bytes that the base holds already are `duplicate: true`: the document is shown as it is, and a
    new name or metadata are not taken; to change those, delete it and upload it again. Bytes whose
    document is `failed` are tried anew, under the same id, with the name and metadata sent now.
    """
    if len(file) > MAX_FILES:
        raise InvalidUpload(f"Send at most {MAX_FILES} files at once.")
    base_id = KnowledgeBaseId(knowledge_base_id)
    await knowledge.get_base(base_id)
    for part in file if len(file) > 1 else ():
        async with ports.files.room(part.size or MAX_FILE_BYTES):
            await received(part, ports.parsers)
    kept: list[UploadedDocument] = []
    for part in file:
        async with ports.files.room(part.size or MAX_FILE_BYTES):
            incoming = await received(part, ports.parsers)
            kept.append(await knowledge.add_file(incoming, base_id, metadata, language=language))
    if all(document.duplicate for document in kept):
        response.status_code = 200
    return Uploaded(data=kept)


@router.get("/documents", summary="List documents", responses=problems(InvalidCursor))
async def list_documents(
    ports: OpenPorts,
    caller: KnowledgeReader,
    knowledge: Readable,
    knowledge_base_id: Annotated[Id | None, Query(description="In this base.")] = None,
    status: Annotated[Status | None, Query(description="In this state.")] = None,
    q: Annotated[str | None, Query(max_length=200, description="In the name.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Document]:
    """Documents, newest first."""
    equal = {"knowledge_base_id": knowledge_base_id, "status": status}
    where = {name: value for name, value in equal.items() if value is not None}
    pages = cursors(ports, caller, "documents", q, where)
    rows = await knowledge.list_documents(
        limit=limit + 1, after=pages.open(cursor), q=q, where=where
    )
    return pages.page(rows, limit, lambda row: row.id)


@router.get(
    "/documents/{document_id}", summary="Read a document", responses=problems(DocumentNotFound)
)
async def get_document(document_id: PathId, knowledge: Readable) -> Document:
    """One document with the state of its indexing."""
    return await knowledge.get_document(DocumentId(document_id))


@router.delete(
    "/documents/{document_id}",
    status_code=204,
    summary="Delete a document",
    responses=problems(DocumentNotFound),
)
async def delete_document(document_id: PathId, knowledge: Writable) -> None:
    """The document with its file; search stops finding it at once."""
    await knowledge.delete_document(DocumentId(document_id))


@router.get(
    "/documents/{document_id}/chunks",
    summary="List the chunks of a document",
    responses=problems(DocumentNotFound, InvalidCursor),
)
async def list_chunks(
    document_id: PathId,
    ports: OpenPorts,
    caller: KnowledgeReader,
    knowledge: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Chunk]:
    """How the document was cut, in its order."""
    pages = cursors(ports, caller, "chunks", document_id)
    rows = await knowledge.chunks(
        DocumentId(document_id), limit=limit + 1, after=pages.open(cursor)
    )
    return pages.page(rows, limit, lambda row: str(row.ordinal))


@router.get(
    "/documents/{document_id}/content",
    summary="Download the original",
    response_class=Response,
    responses={
        200: {
            "description": "The original bytes, in the document's `content_type`.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(DocumentNotFound),
    },
)
async def get_content(document_id: PathId, knowledge: Readable) -> Response:
    """The bytes as they were uploaded, always as an attachment, PDF and HTML too."""
    document, content = await knowledge.content(DocumentId(document_id))
    return Response(
        content,
        media_type=document.content_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.name, safe='')}",
            "Content-Security-Policy": "sandbox",
        },
    )


FEATURE = Feature("documents", router)
