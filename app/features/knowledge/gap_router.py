"""/api/v2/knowledge/gaps: questions that the knowledge bases have no answer to."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment, rfc3339
from app.features.knowledge.errors import GapNotFound, KnowledgeBaseNotFound
from app.features.knowledge.gap_schemas import Gap, GapEntry, GapStatus, GapUpdate
from app.features.knowledge.gaps import GapService
from app.features.knowledge.schemas import UploadedDocument
from app.web.auth import KnowledgeReader, KnowledgeWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("knowledge", prefix="/api/v2/knowledge/gaps")
PathId = Annotated[Id, Path(description="The gap's id.")]


async def _readable(ports: OpenPorts, caller: KnowledgeReader) -> GapService:
    return GapService(ports, caller)


async def _writable(ports: OpenPorts, caller: KnowledgeWriter) -> GapService:
    return GapService(ports, caller)


Readable = Annotated[GapService, Depends(_readable)]
Writable = Annotated[GapService, Depends(_writable)]


@router.get("", summary="List gaps", responses=problems(InvalidCursor))
async def list_gaps(
    ports: OpenPorts,
    caller: KnowledgeReader,
    gaps: Readable,
    status: Annotated[GapStatus, Query(description="In this state.")] = "open",
    agent_id: Annotated[Id | None, Query(description="Asked of this agent.")] = None,
    knowledge_base_id: Annotated[Id | None, Query(description="Missing in this base.")] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Last asked at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Last asked before this moment.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Gap]:
    """Questions of chats that found no passage above the agent's threshold, newest first.

    Those with the same words, whatever their order, endings and accents, are one, with a `count`.
    E-mail addresses and long numbers are left out of them.
    """
    equal = {"status": status, "agent_id": agent_id, "knowledge_base_id": knowledge_base_id}
    where: dict[str, Any] = {name: value for name, value in equal.items() if value is not None}
    ends = {"gte": from_ and rfc3339(from_), "lt": to and rfc3339(to)}
    if from_ or to:
        where["last_asked_at"] = {name: end for name, end in ends.items() if end}
    pages = cursors(ports, caller, "knowledge_gaps", where)
    rows = await gaps.list_gaps(limit=limit + 1, after=pages.open(cursor), where=where)
    return pages.page(rows, limit, lambda row: row.id)


@router.get("/{gap_id}", summary="Read a gap", responses=problems(GapNotFound))
async def get_gap(gap_id: PathId, gaps: Readable) -> Gap:
    """One gap."""
    return await gaps.get(gap_id)


@router.patch("/{gap_id}", summary="Dismiss or reopen a gap", responses=problems(GapNotFound))
async def update_gap(gap_id: PathId, body: GapUpdate, gaps: Writable) -> Gap:
    """A dismissed gap is counted on, and stays dismissed."""
    return await gaps.update(gap_id, body.status)


@router.post(
    "/{gap_id}/entry",
    status_code=202,
    summary="Answer a gap",
    responses=problems(GapNotFound, KnowledgeBaseNotFound),
)
async def answer_gap(
    gap_id: PathId, body: GapEntry, gaps: Writable, response: Response
) -> UploadedDocument:
    """The question and its answer become a document, which is indexed; the gap is `answered`.

    Without a `question` it is the visitor's, as it was worded: give one of your own where that
    names somebody. Should the question find nothing again, the gap is open again.
    """
    document = await gaps.answer(gap_id, body)
    response.headers["Location"] = f"/api/v2/knowledge/documents/{document.id}"
    return document


FEATURE = Feature("gaps", router)
