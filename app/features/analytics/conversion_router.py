"""/api/v2/analytics/conversions: what conversations have brought, and what was taken back."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment, Text, rfc3339
from app.features.analytics.conversion_schemas import (
    Conversion,
    ConversionCreate,
    CurrencyCode,
    Kind,
    RefundCreate,
    TypeName,
)
from app.features.analytics.errors import (
    ConversionDiffers,
    ConversionNotFound,
    ConversionNotRefundable,
    ConversionTooEarly,
    RefundExceedsConversion,
)
from app.features.analytics.ledger import Ledger
from app.features.conversations.errors import ConversationNotFound
from app.web.auth import AnalyticsReader, AnalyticsWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("analytics", prefix="/api/v2/analytics/conversions")
PathId = Annotated[Id, Path(description="The conversion's id.")]


async def _readable(ports: OpenPorts, caller: AnalyticsReader) -> Ledger:
    return Ledger(ports, caller)


async def _writable(ports: OpenPorts, caller: AnalyticsWriter) -> Ledger:
    return Ledger(ports, caller)


Readable = Annotated[Ledger, Depends(_readable)]
Writable = Annotated[Ledger, Depends(_writable)]


async def _origin(
    agent_id: Annotated[Id | None, Query(description="Who answered last before it.")] = None,
    conversation_id: Annotated[Id | None, Query(description="Of this conversation.")] = None,
    chunk_id: Annotated[
        Id | None, Query(description="Where answers had cited this passage before it.")
    ] = None,
) -> dict[str, Any]:
    return {"agent_id": agent_id, "conversation_id": conversation_id, "chunk_id": chunk_id}


async def _where(
    origin: Annotated[dict[str, Any], Depends(_origin)],
    kind: Annotated[Kind | None, Query(description="Of this kind.")] = None,
    type: Annotated[TypeName | None, Query(description="As you named it.")] = None,
    currency: Annotated[CurrencyCode | None, Query(description="Worth something in it.")] = None,
    external_id: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Your own id of it."), Text
    ] = None,
) -> dict[str, Any]:
    own = {"kind": kind, "type": type, "currency": currency, "external_id": external_id}
    return {name: value for name, value in (origin | own).items() if value is not None}


async def _bounds(
    from_: Annotated[
        Moment | None, Query(alias="from", description="Happened at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Happened before this moment.")] = None,
) -> dict[str, Any]:
    return {"from": from_ and rfc3339(from_), "to": to and rfc3339(to)}


@router.get("", summary="List conversions", responses=problems(InvalidCursor))
async def list_conversions(
    ports: OpenPorts,
    caller: AnalyticsReader,
    ledger: Readable,
    where: Annotated[dict[str, Any], Depends(_where)],
    bounds: Annotated[dict[str, Any], Depends(_bounds)],
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Conversion]:
    """Entries of the ledger, the latest recorded first: conversions, and refunds by themselves."""
    pages = cursors(ports, caller, "conversions", where, bounds)
    rows = await ledger.page(limit=limit + 1, after=pages.open(cursor), where=where, bounds=bounds)
    return pages.page(rows, limit, lambda row: row.id)


@router.post(
    "",
    status_code=201,
    summary="Record a conversion",
    responses={
        200: {"model": Conversion, "description": "It was recorded before, just so."},
        **problems(ConversationNotFound, ConversionDiffers, ConversionTooEarly),
    },
)
async def record_conversion(
    body: ConversionCreate, ledger: Writable, response: Response
) -> Conversion:
    """What a conversation has brought outside of it: an order, a booking, a signature.

    It is attributed at once to the agent, its version, the model, the tools and the passages that
    had a part in the conversation by `occurred_at`, and announced as `conversion_recorded`.
    Complete leads and sent forms of conversations are conversions by themselves: don't record them.

    With an `external_id` the same may be sent again: 200 with the first entry; anything else under
    it is 409. A webhook for `conversion_recorded` carries all that an advertiser's server-side
    interface asks for: forward `conversion_id`, `occurred_at`, `value` and `currency`.
    """
    conversion, is_new = await ledger.record(body)
    return _answer(conversion, response, is_new=is_new)


@router.get("/{conversion_id}", summary="Read a conversion", responses=problems(ConversionNotFound))
async def get_conversion(conversion_id: PathId, ledger: Readable) -> Conversion:
    """One entry of the ledger."""
    return await ledger.get(conversion_id)


@router.post(
    "/{conversion_id}/refunds",
    status_code=201,
    summary="Refund a conversion",
    responses={
        200: {"model": Conversion, "description": "It was recorded before, just so."},
        **problems(
            ConversionNotFound,
            ConversionDiffers,
            ConversionNotRefundable,
            RefundExceedsConversion,
            ConversionTooEarly,
        ),
    },
)
async def refund_conversion(
    conversion_id: PathId, body: RefundCreate, ledger: Writable, response: Response
) -> Conversion:
    """Take it back, in whole or in part, by an entry of its own with a negative value.

    It counts at its own time: revenue of a day that is over does not change. A conversion of which
    nothing is left makes its conversation no longer a converted one.
    """
    refund, is_new = await ledger.refund(conversion_id, body)
    return _answer(refund, response, is_new=is_new)


def _answer(conversion: Conversion, response: Response, *, is_new: bool) -> Conversion:
    if not is_new:
        response.status_code = 200
    response.headers["Location"] = f"/api/v2/analytics/conversions/{conversion.id}"
    return conversion


FEATURE = Feature("conversions", router)
