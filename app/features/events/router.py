"""Routes under /api/v2/events."""

from typing import Annotated, cast

from fastapi import Depends, Query, Request, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import DigitsOnly
from app.features.events.audience import Listener
from app.features.events.choice import Between, Chosen
from app.features.events.errors import HistoryGone, InvalidTicket
from app.features.events.hub import Hub
from app.features.events.position import NO_NUMBER, AfterNumber
from app.features.events.records import StreamLimits
from app.features.events.room import open_events
from app.features.events.schemas import Event, StreamTicket
from app.features.events.service import EventHistory
from app.features.events.stream import DashboardStream
from app.features.events.tickets import StreamReader, issue_ticket, stream_reader
from app.web.auth import EventsReader
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.limits import ServiceLimits, TooManyStreams
from app.web.live_stream import LiveStream
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("events", prefix="/api/v2/events")
EXAMPLE = (
    "retry: 2000\nid: 41\n\n"
    'id: 42\ndata: {"id":"…","type":"conversation_started","data":{"conversation_id":"…",'
    '"agent_id":"…","visitor_id":"visitor-1"},"timestamp":"2026-11-23T20:15:00.123Z"}\n\n'
)
STREAM = {
    "description": "Events without names, for `EventSource.onmessage`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
}


@router.get("", summary="List events", responses=problems(InvalidCursor, HistoryGone))
async def list_events(
    ports: OpenPorts,
    caller: EventsReader,
    chosen: Chosen,
    between: Between,
    after: Annotated[
        int | None,
        Query(ge=0, lt=NO_NUMBER, description="After this number, oldest first."),
        DigitsOnly,
    ] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Event]:
    """Past events, newest first; kept for 7 days.

    To follow without a stream, ask with `after` (the greatest `number` that you have had; 0 at
    first, for all that is kept): events come oldest first, none twice, and 410 `history_gone` says
    that some are kept no longer, or that no event has had such a number yet. `system_update` is
    told to open streams only and never listed.
    """
    pages = cursors(ports, caller, "events", chosen.listed_types, chosen.agent_id, between, after)
    rows = await EventHistory(ports, caller).page(
        chosen, after=after, cursor=pages.open(cursor), between=between, limit=limit + 1
    )
    return pages.page(rows, limit, lambda event: str(event.number))


@router.post("/tickets", summary="Get a ticket for a stream")
async def create_ticket(
    request: Request, ports: OpenPorts, caller: EventsReader, response: Response
) -> StreamTicket:
    """A ticket for `GET /api/v2/events/dashboard?ticket=…`, for one stream within 60 seconds.

    `EventSource` cannot send headers, and a credential must never travel in an address. On an
    error get a new ticket and come again with the `lastEventId` of the last message.
    """
    response.headers["Cache-Control"] = "no-store"
    return await issue_ticket(request, ports, caller)


@router.get(
    "/dashboard",
    status_code=200,
    summary="Follow events",
    response_class=LiveStream,
    responses={200: STREAM, **problems(InvalidTicket, TooManyStreams)},
    openapi_extra={"security": [{"api_key": []}]},
)
async def follow_events(
    request: Request,
    reader: Annotated[StreamReader, Depends(stream_reader)],
    chosen: Chosen,
    after: AfterNumber,
    service_limits: ServiceLimits,
) -> LiveStream:
    """Events as they happen: `{id, type, data, timestamp}`, and `id:` is a number.

    With the number of the last event (`Last-Event-ID`, which `EventSource` sends by itself, or
    `last_event_id`) the stream goes on after it: nothing is missed and nothing comes twice, also
    from another replica or after a restart. Where history does not reach back so far the first
    event is `{"type": "gap"}`: read again what you show. Every 15 s there is a comment, about every
    30 s a `system_update`. A client that lets 256 events wait, or takes nothing for 8 s, is cut
    off; it comes back for the rest. The stream ends within 5 s after its key does, within 60 s
    after a session.
    """
    limits = await service_limits.of(reader.caller)
    hub = cast("Hub", request.app.state.features["events"])
    listener = Listener(
        caller=reader.caller,
        credential=reader.credential,
        authenticate=reader.authenticate,
        chosen=chosen,
        limits=StreamLimits(
            per_caller=limits.open_streams, per_organization=limits.organization_open_streams
        ),
    )
    return LiveStream(DashboardStream(hub, listener, after=after))


FEATURE = Feature("events", router, open_events)
