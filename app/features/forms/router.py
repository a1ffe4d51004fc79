"""Routes under /api/v2/forms."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response
from starlette.responses import StreamingResponse

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment, rfc3339
from app.features.forms.errors import (
    FormNotFound,
    FormSubmissionNotFound,
    FormSubmittedBefore,
    FormValuesInvalid,
)
from app.features.forms.schemas import Form, Receipt, Status, Submission, SubmissionCreate
from app.features.forms.service import FormService, sheet_header, sheet_row
from app.web.auth import ChatterOrVisitor, LeadsReader
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.exports import DELIMITERS, Delimiter, csv_answer, export_response
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("forms", prefix="/api/v2/forms")
PathId = Annotated[Id, Path(description="The form's id.")]


async def _usable(ports: OpenPorts, caller: ChatterOrVisitor) -> FormService:
    return FormService(ports, caller.organization_id, caller.visitor)


async def _readable(ports: OpenPorts, caller: LeadsReader) -> FormService:
    return FormService(ports, caller.organization_id)


Usable = Annotated[FormService, Depends(_usable)]
Readable = Annotated[FormService, Depends(_readable)]


async def _filters(
    agent_id: Annotated[Id | None, Query(description="Shown by this agent.")] = None,
    tool_id: Annotated[Id | None, Query(description="Of this tool.")] = None,
    conversation_id: Annotated[Id | None, Query(description="In this conversation.")] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="At or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Before this moment.")] = None,
) -> dict[str, Any]:
    bounds = {"gte": from_ and rfc3339(from_), "lt": to and rfc3339(to)}
    chosen = {
        "agent_id": agent_id,
        "tool_id": tool_id,
        "conversation_id": conversation_id,
        "created_at": {name: value for name, value in bounds.items() if value} or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


Where = Annotated[dict[str, Any], Depends(_filters)]


@router.get("", summary="List forms", responses=problems(InvalidCursor))
async def list_forms(
    ports: OpenPorts,
    caller: ChatterOrVisitor,
    forms: Usable,
    where: Where,
    status: Annotated[Status | None, Query(description="Open, or sent already.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Form]:
    """Forms that agents have shown, newest first.

    A widget that comes back to a conversation finds the form that waits for its visitor with
    `conversation_id` and `status=open`; a widget session sees those of its own visitor.
    """
    if status is not None:
        where = where | {"status": status}
    pages = cursors(ports, caller, "forms", where)
    rows = await forms.page(limit=limit + 1, after=pages.open(cursor), where=where)
    return pages.page(rows, limit, lambda row: row.id)


@router.get("/submissions", summary="List submissions", responses=problems(InvalidCursor))
async def list_form_submissions(
    ports: OpenPorts,
    caller: LeadsReader,
    forms: Readable,
    where: Where,
    form_id: Annotated[Id | None, Query(description="Of this form.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Submission]:
    """What visitors have sent, newest first."""
    if form_id is not None:
        where = where | {"form_id": form_id}
    pages = cursors(ports, caller, "form_submissions", where)
    rows = await forms.submissions(limit=limit + 1, after=pages.open(cursor), where=where)
    return pages.page(rows, limit, lambda row: row.id)


_EXAMPLE = Submission.model_validate(Submission.model_config["json_schema_extra"]["examples"][0])  # pyright: ignore


@router.get(
    "/submissions/export",
    summary="Export submissions as CSV",
    response_class=StreamingResponse,
    responses=csv_answer(
        sheet_header(list(_EXAMPLE.values), ",") + sheet_row(_EXAMPLE, list(_EXAMPLE.values), ",")
    ),
)
async def export_form_submissions(
    forms: Readable, where: Where, delimiter: Delimiter = "comma"
) -> StreamingResponse:
    """All submissions that the filters let through, newest first; choose a `tool_id` for one form.

    UTF-8 with a byte order mark; a cell that a spreadsheet would run begins with an apostrophe.
    """
    return await export_response(
        "form-submissions", forms.export(where=where, delimiter=DELIMITERS[delimiter])
    )


@router.get(
    "/submissions/{submission_id:item}",
    summary="Read a submission",
    responses=problems(FormSubmissionNotFound),
)
async def get_form_submission(
    submission_id: Annotated[Id, Path(description="The submission's id.")], forms: Readable
) -> Submission:
    """One submission."""
    return await forms.submission(submission_id)


@router.get("/{form_id:item}", summary="Read a form", responses=problems(FormNotFound))
async def get_form(form_id: PathId, forms: Usable) -> Form:
    """One form, as the `form` event has shown it."""
    return await forms.get(form_id)


@router.post(
    "/{form_id:item}/submissions",
    status_code=201,
    summary="Send a form",
    responses=problems(FormNotFound, FormValuesInvalid, FormSubmittedBefore),
)
async def submit_form(
    form_id: PathId, body: SubmissionCreate, forms: Usable, response: Response
) -> Receipt:
    """What a visitor has written; announced as `form_submitted`, and known to the next answer.

    A form is taken once: the same values again get the same answer, others 409. Each field that
    is wrong stands in `errors` with a `pointer`, a stable `code`, and a `message` to show in the
    agent's language.
    """
    receipt = await forms.submit(form_id, body.values)
    response.headers["Location"] = f"/api/v2/forms/submissions/{receipt.id}"
    return receipt


FEATURE = Feature("forms", router)
