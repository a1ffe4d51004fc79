"""The export of past events: GET /api/v2/events/export."""

from starlette.responses import StreamingResponse

from app.core.schemas import example_of
from app.features.events.choice import Between, Chosen
from app.features.events.schemas import Event
from app.features.events.service import EventHistory
from app.web.auth import EventsReader
from app.web.deps import OpenPorts
from app.web.exports import Columns, Delimiter, Format, columns, export_answer, export_response
from app.web.exports import lines as lines_of
from app.web.routing import Feature, room_router

router = room_router("events", prefix="/api/v2/events")
COLUMNS = ("number", "id", "timestamp", "type", "agent_id", "data")


@router.get(
    "/export",
    summary="Export events",
    response_class=StreamingResponse,
    responses=export_answer(Columns(COLUMNS), example_of(Event)),
)
async def export_events(
    ports: OpenPorts,
    caller: EventsReader,
    chosen: Chosen,
    between: Between,
    format: Format = "csv",
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """All events that are kept and that the filters let through, oldest first, streamed.

    An export that fails on its way ends with a line that says so, and without the end of the
    response.
    """
    pages = EventHistory(ports, caller).pages(chosen, between=between)
    sheet = columns(COLUMNS, format, delimiter)
    return await export_response("events", lines_of(pages, sheet), format)


FEATURE = Feature("event_export", router)
