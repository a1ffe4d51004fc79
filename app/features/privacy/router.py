"""Routes under /api/v2/privacy."""

from typing import Annotated

from fastapi import Depends, Path, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.features.privacy.errors import ErasureNotFound, PersonNotFound
from app.features.privacy.schemas import Erasure, ErasureCreate, Person, PersonExport
from app.features.privacy.service import PrivacyService
from app.web.auth import PrivacyWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("privacy", prefix="/api/v2/privacy")


async def _service(ports: OpenPorts, caller: PrivacyWriter) -> PrivacyService:
    return PrivacyService(ports, caller)


Persons = Annotated[PrivacyService, Depends(_service)]


@router.post("/exports", summary="Export a person's data", responses=problems(PersonNotFound))
async def export_person(body: Person, persons: Persons, response: Response) -> PersonExport:
    """Everything that is kept of one person: leads, conversations and whatever hangs on them.

    Whoever chats as the same visitor is the same person, and an address belongs to the visitor who
    gave it first. Conversations of others that hold the person's addresses or numbers are listed
    (`named_elsewhere`) and not shown.
    """
    response.headers["Cache-Control"] = "no-store"
    return await persons.export(body)


@router.post(
    "/erasures",
    status_code=201,
    summary="Erase a person's data",
    responses=problems(PersonNotFound),
)
async def erase_person(body: ErasureCreate, persons: Persons, response: Response) -> Erasure:
    """Remove for good all that an export would show, the events about it and their deliveries.

    In what others have said, and in everything that came of it, the person's e-mail addresses,
    telephone numbers and documents are replaced by `***`, in whatever form they are written; names
    and what else is told in free text are not recognised there. In one transaction; the receipt
    says what was removed and holds nothing of the person.
    """
    receipt = await persons.erase(body)
    response.headers["Location"] = f"/api/v2/privacy/erasures/{receipt.id}"
    return receipt


@router.get("/erasures", summary="List receipts of erasures", responses=problems(InvalidCursor))
async def list_erasures(
    ports: OpenPorts,
    caller: PrivacyWriter,
    persons: Persons,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Erasure]:
    """Receipts, newest first."""
    pages = cursors(ports, caller, "erasures")
    rows = await persons.page(limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda receipt: receipt.id)


@router.get(
    "/erasures/{erasure_id}",
    summary="Read a receipt of an erasure",
    responses=problems(ErasureNotFound),
)
async def get_erasure(
    erasure_id: Annotated[Id, Path(description="The receipt's id.")], persons: Persons
) -> Erasure:
    """One receipt."""
    return await persons.get(erasure_id)


FEATURE = Feature("privacy", router)
