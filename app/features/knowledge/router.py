"""/api/v2/knowledge: bases and search."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from app.core.ids import KnowledgeBaseId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.features.knowledge.base_schemas import BaseCreate, BaseUpdate, KnowledgeBase, Reindexing
from app.features.knowledge.errors import EmbedderNotConfigured, KnowledgeBaseNotFound
from app.features.knowledge.schemas import SearchRequest, SearchResult
from app.features.knowledge.service import KnowledgeService
from app.features.knowledge.worker import open_indexing
from app.ports.embedder import UnknownEmbedder
from app.web.auth import KnowledgeReader, KnowledgeWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge")
PathId = Annotated[Id, Path(description="The knowledge base's id.")]


async def _readable(ports: OpenPorts, caller: KnowledgeReader) -> KnowledgeService:
    return KnowledgeService(ports, caller)


async def _writable(ports: OpenPorts, caller: KnowledgeWriter) -> KnowledgeService:
    return KnowledgeService(ports, caller)


Readable = Annotated[KnowledgeService, Depends(_readable)]
Writable = Annotated[KnowledgeService, Depends(_writable)]


@router.get("/bases", summary="List knowledge bases", responses=problems(InvalidCursor))
async def list_bases(
    ports: OpenPorts,
    caller: KnowledgeReader,
    knowledge: Readable,
    q: Annotated[str | None, Query(max_length=200, description="In name or description.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[KnowledgeBase]:
    """Knowledge bases, newest first."""
    pages = cursors(ports, caller, "knowledge_bases", q)
    rows = await knowledge.list_bases(limit=limit + 1, after=pages.open(cursor), q=q)
    return pages.page(rows, limit, lambda row: row.id)


@router.post(
    "/bases",
    status_code=201,
    summary="Create a knowledge base",
    responses=problems(UnknownEmbedder),
)
async def create_base(body: BaseCreate, knowledge: Writable, response: Response) -> KnowledgeBase:
    """A new, empty base."""
    base = await knowledge.create_base(body)
    response.headers["Location"] = f"/api/v2/knowledge/bases/{base.id}"
    return base


@router.get(
    "/bases/{base_id}", summary="Read a knowledge base", responses=problems(KnowledgeBaseNotFound)
)
async def get_base(base_id: PathId, knowledge: Readable) -> KnowledgeBase:
    """One knowledge base."""
    return await knowledge.get_base(KnowledgeBaseId(base_id))


@router.patch(
    "/bases/{base_id}",
    summary="Change a knowledge base",
    responses=problems(KnowledgeBaseNotFound, UnknownEmbedder),
)
async def update_base(base_id: PathId, body: BaseUpdate, knowledge: Writable) -> KnowledgeBase:
    """Its name, description, chunking or embedding model.

    Chunking holds for what is indexed from then on. Vectors of another model are built beside the
    present ones, which searches use until the new ones are whole: `embedding_progress` tells.
    """
    return await knowledge.update_base(KnowledgeBaseId(base_id), body)


@router.delete(
    "/bases/{base_id}",
    status_code=204,
    summary="Delete a knowledge base",
    responses=problems(KnowledgeBaseNotFound),
)
async def delete_base(base_id: PathId, knowledge: Writable) -> None:
    """The base with all its documents. Agents that used it go on without it."""
    await knowledge.delete_base(KnowledgeBaseId(base_id))


@router.post(
    "/bases/{base_id}/reindex",
    summary="Index a knowledge base anew",
    responses=problems(KnowledgeBaseNotFound),
)
@done_once
async def reindex_base(base_id: PathId, knowledge: Writable) -> Reindexing:
    """All its documents are read and cut again, by the base's present `chunking`.

    Each is found as it was until its new chunks are whole. Follow it at `GET /documents`.
    """
    return await knowledge.reindex_base(KnowledgeBaseId(base_id))


@router.post(
    "/search",
    summary="Search",
    responses=problems(KnowledgeBaseNotFound, EmbedderNotConfigured),
)
async def search(body: SearchRequest, knowledge: Readable) -> SearchResult:
    """Passages, best first.

    `score` is the share of the question's weight that a passage covers: 1 is everything, and words
    that no passage has count against all of them. `mode_used` says how the search was served. Where
    the service has a reranker, the order is its own, and `scores.rerank` what it says; `threshold`
    stays one of `score`.
    """
    return await knowledge.search(
        body.query,
        base_ids=body.base_ids,
        top_k=body.top_k,
        threshold=body.threshold,
        mode=body.mode,
        filters=body.filters,
        is_marked=True,
    )


FEATURE = Feature("knowledge", router, open_indexing)
