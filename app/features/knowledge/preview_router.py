"""/api/v2/knowledge/preview: how a file would be cut."""

from contextlib import AbstractAsyncContextManager
from typing import Annotated, cast

from fastapi import Depends, File, Form, Request, UploadFile

from app.core.errors import PayloadTooLarge
from app.core.ids import KnowledgeBaseId
from app.core.schemas import Id
from app.features.knowledge.base_schemas import Chunking
from app.features.knowledge.errors import (
    FormatNotSupported,
    InvalidUpload,
    KnowledgeBaseNotFound,
    TooManyPreviews,
)
from app.features.knowledge.previewing import Preview, Previews, open_previews
from app.features.knowledge.service import KnowledgeService
from app.ports.parser import Cut, DocumentUnreadable, ParsingUnavailable
from app.web.admission import admitted_by
from app.web.auth import KnowledgeReader
from app.web.bodies import NoRoomForUpload
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge")


async def _readable(ports: OpenPorts, caller: KnowledgeReader) -> KnowledgeService:
    return KnowledgeService(ports, caller)


async def _previews(request: Request) -> Previews:
    return cast("Previews", request.app.state.features["preview"])


def _admitted(request: Request) -> AbstractAsyncContextManager[object]:
    previews = cast("Previews", request.app.state.features["preview"])
    return previews.admitted(request.scope["state"]["organization_id"])


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
        TooManyPreviews,
    ),
)
@at_its_own_pace
@admitted_by(_admitted)
async def preview(
    caller: KnowledgeReader,
    previews: Annotated[Previews, Depends(_previews)],
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

    A preview may take 15 s, 8 s of computing and 512 MiB, less than an upload; what is given up for
    that can still be uploaded. One of an organization is read at a time, and three more may wait.
    """
    chunking = Chunking()
    if knowledge_base_id is not None:
        chunking = (await knowledge.get_base(KnowledgeBaseId(knowledge_base_id))).chunking
    size = chunking.size if size is None else size
    overlap = min(chunking.overlap, size - 1) if overlap is None else overlap
    if overlap >= size:
        detail = "must be smaller than size"
        raise InvalidUpload(errors=[{"pointer": "/overlap", "detail": detail}])
    cut = Cut(size=size, overlap=overlap)
    return await previews.preview(caller.organization_id, file, cut)


FEATURE = Feature("preview", router, open_previews)
