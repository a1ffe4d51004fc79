"""/api/v2/knowledge/preview: how a file would be cut."""

from typing import Annotated

from fastapi import Depends, File, Form, UploadFile

from app.core.errors import PayloadTooLarge
from app.core.ids import KnowledgeBaseId
from app.core.schemas import Id
from app.features.knowledge.base_schemas import Chunking
from app.features.knowledge.errors import (
    FormatNotSupported,
    InvalidUpload,
    KnowledgeBaseNotFound,
)
from app.features.knowledge.incoming import MAX_FILE_BYTES, receive
from app.features.knowledge.previewing import Preview, preview_of
from app.features.knowledge.service import KnowledgeService
from app.ports.parser import DocumentUnreadable, ParsingUnavailable
from app.web.auth import KnowledgeReader
from app.web.bodies import NoRoomForUpload
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge")


async def _readable(ports: OpenPorts, caller: KnowledgeReader) -> KnowledgeService:
    return KnowledgeService(ports, caller)


@router.post(
    "/preview",
    summary="Preview chunks",
    responses=problems(
        KnowledgeBaseNotFound,
        InvalidUpload,
        PayloadTooLarge,
        FormatNotSupported,
        NoRoomForUpload,
        DocumentUnreadable,
        ParsingUnavailable,
    ),
)
@at_its_own_pace
async def preview(
    ports: OpenPorts,
    knowledge: Annotated[KnowledgeService, Depends(_readable)],
    file: Annotated[UploadFile, File(description="A file as for an upload, up to 25 MiB.")],
    knowledge_base_id: Annotated[
        Id | None, Form(description="Cut by the `chunking` of this base.")
    ] = None,
    size: Annotated[int | None, Form(ge=50, le=2000, description="Tokens of a chunk.")] = None,
    overlap: Annotated[int | None, Form(ge=0, le=500, description="Tokens shared.")] = None,
) -> Preview:
    """The file read and cut as an upload would be, and nothing kept.

    `size` and `overlap` go before what the base says. The first 200 chunks are shown; `heading` is
    the section that a chunk stands in. A text is a file too: send it as `texto.md`.
    """
    chunking = Chunking()
    if knowledge_base_id is not None:
        chunking = (await knowledge.get_base(KnowledgeBaseId(knowledge_base_id))).chunking
    size = chunking.size if size is None else size
    overlap = min(chunking.overlap, size - 1) if overlap is None else overlap
    if overlap >= size:
        detail = "must be smaller than size"
        raise InvalidUpload(errors=[{"pointer": "/overlap", "detail": detail}])
    received = receive(file.filename, await file.read(MAX_FILE_BYTES + 1), ports.parsers)
    return await preview_of(ports, received, size=size, overlap=overlap)


FEATURE = Feature("preview", router)
