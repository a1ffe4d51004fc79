"""Routes under /api/v2/leads."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response
from starlette.responses import StreamingResponse

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment, TrueOrFalse, rfc3339
from app.features.leads.errors import LeadAlreadyExists, LeadNotFound
from app.features.leads.schemas import EXAMPLE, Lead, LeadCreate, LeadUpdate, Source, Status
from app.features.leads.service import LeadService
from app.features.leads.sheet import LeadSheet
from app.web.auth import LeadsReader, LeadsWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.exports import DELIMITERS, Delimiter, Format, export_answer, export_response
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("leads", prefix="/api/v2/leads")
PathId = Annotated[Id, Path(description="The lead's id.")]
Sought = Annotated[
    str | None,
    Query(max_length=200, description="In name, e-mail, telephone, document or company."),
]


async def _readable(ports: OpenPorts, caller: LeadsReader) -> LeadService:
    return LeadService(ports, caller.organization_id)


async def _writable(ports: OpenPorts, caller: LeadsWriter) -> LeadService:
    return LeadService(ports, caller.organization_id)


Readable = Annotated[LeadService, Depends(_readable)]
Writable = Annotated[LeadService, Depends(_writable)]


async def _origin(
    agent_id: Annotated[Id | None, Query(description="Taken by this agent.")] = None,
    conversation_id: Annotated[
        Id | None, Query(description="Given in this conversation, if it was the latest.")
    ] = None,
    source: Annotated[Source | None, Query(description="`chat`, `manual` or your own.")] = None,
) -> dict[str, Any]:
    return {"agent_id": agent_id, "conversation_id": conversation_id, "source": source}


async def _filters(
    origin: Annotated[dict[str, Any], Depends(_origin)],
    status: Annotated[Status | None, Query(description="In this state.")] = None,
    consent: Annotated[
        bool | None, Query(description="Who has agreed, or not."), TrueOrFalse
    ] = None,
    is_complete: Annotated[
        bool | None, Query(description="Who has given all that was asked, or not."), TrueOrFalse
    ] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Begun at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Begun before this moment.")] = None,
) -> dict[str, Any]:
    bounds = {"gte": from_ and rfc3339(from_), "lt": to and rfc3339(to)}
    chosen = origin | {
        "status": status,
        "has_consent": consent,
        "is_complete": is_complete,
        "created_at": {name: value for name, value in bounds.items() if value} or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


Where = Annotated[dict[str, Any], Depends(_filters)]


@router.get("", summary="List leads", responses=problems(InvalidCursor))
async def list_leads(
    ports: OpenPorts,
    caller: LeadsReader,
    leads: Readable,
    where: Where,
    q: Sought = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Lead]:
    """Leads, newest first. Words are found whatever their accents and case."""
    pages = cursors(ports, caller, "leads", q, where)
    rows = await leads.page(limit=limit + 1, after=pages.open(cursor), q=q, where=where)
    return pages.page(rows, limit, lambda lead: lead.id)


@router.post(
    "", status_code=201, summary="Enter a lead by hand", responses=problems(LeadAlreadyExists)
)
async def create_lead(body: LeadCreate, leads: Writable, response: Response) -> Lead:
    """A lead of your own, for instance from a call; announced as `lead_captured`.

    Where another complete lead has the same e-mail, telephone or document, 409 names it in
    `lead_id`. Whoever shares a telephone but has another document is another person.
    """
    lead = await leads.create(body)
    response.headers["Location"] = f"/api/v2/leads/{lead.id}"
    return lead


_SHEET = LeadSheet(["interesse"], ",")


@router.get(
    "/export",
    summary="Export leads",
    response_class=StreamingResponse,
    responses=export_answer(_SHEET, Lead.model_validate(EXAMPLE)),
)
async def export_leads(
    leads: Readable,
    where: Where,
    q: Sought = None,
    format: Format = "csv",
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """All leads that the filters let through, newest first; CSV in UTF-8 with a byte order mark.

    A text that begins with `=`, `+`, `-`, `@` (also after blanks or quotes), a tab or a line
    break gets an apostrophe before it, so that no spreadsheet runs it; so does what follows a
    separator or line break within a cell, and every telephone, for its `+`. Numbers, and every
    answer but this, stay as they are. Your own fields have a column each, `fields.<name>`.
    """
    separator = DELIMITERS[delimiter] if format == "csv" else None
    return await export_response(
        "leads", leads.export(q=q, where=where, delimiter=separator), format
    )


@router.get("/{lead_id:item}", summary="Read a lead", responses=problems(LeadNotFound))
async def get_lead(lead_id: PathId, leads: Readable) -> Lead:
    """One lead."""
    return await leads.get(lead_id)


@router.patch(
    "/{lead_id:item}", summary="Change a lead", responses=problems(LeadNotFound, LeadAlreadyExists)
)
async def update_lead(lead_id: PathId, body: LeadUpdate, leads: Writable) -> Lead:
    """The sent fields only. What a person has agreed to cannot be changed afterwards."""
    return await leads.update(lead_id, body)


@router.delete(
    "/{lead_id:item}", status_code=204, summary="Delete a lead", responses=problems(LeadNotFound)
)
async def delete_lead(lead_id: PathId, leads: Writable) -> None:
    """The lead, and what its conversations have given of it, for good."""
    await leads.delete(lead_id)


FEATURE = Feature("leads", router)
