"""Routes under /api/v2/analytics: the dashboard and what stands behind it."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from starlette.responses import StreamingResponse

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import DigitsOnly, Id, TrueOrFalse
from app.features.analytics.counting import open_analytics
from app.features.analytics.dashboard_example import DASHBOARD
from app.features.analytics.dashboard_schemas import Bucket, Dashboard
from app.features.analytics.item_schemas import Item, SellingPassages
from app.features.analytics.items import Asked, Measure
from app.features.analytics.periods import (
    Interval,
    PeriodName,
    RangeInvalid,
    custom,
    default_interval,
    latest,
    zone_named,
)
from app.features.analytics.service import AnalyticsService
from app.features.analytics.sheets import header, items_sheet, line, series_columns, series_sheet
from app.features.organizations.known import KnownSettings
from app.web.auth import AnalyticsReader
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.exports import DELIMITERS, Delimiter, csv_answer, export_response
from app.web.problems import problems
from app.web.routing import Feature, room_router

TIMEZONE = "America/Sao_Paulo"
router = room_router("analytics", prefix="/api/v2/analytics")


async def _service(ports: OpenPorts, caller: AnalyticsReader) -> AnalyticsService:
    return AnalyticsService(ports, caller)


Figures = Annotated[AnalyticsService, Depends(_service)]


async def _zone(
    ports: OpenPorts,
    caller: AnalyticsReader,
    timezone: Annotated[
        str | None,
        Query(
            max_length=64,
            description="By whose clock days begin, such as `Asia/Kathmandu`; by default that of"
            " the settings, or `America/Sao_Paulo` where none was set.",
        ),
    ] = None,
) -> ZoneInfo:
    chosen = await KnownSettings(ports).of(caller.organization_id)
    default = chosen.document.get("timezone") or TIMEZONE
    return zone_named(default if timezone is None else timezone)


async def _asked(
    ports: OpenPorts,
    zone: Annotated[ZoneInfo, Depends(_zone)],
    period: Annotated[
        PeriodName | None,
        Query(
            description="Today, or the last 7, 30 or 90 days with today, by the time zone's clock;"
            " up to the end of the present quarter of an hour. By default `week`."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        Query(
            alias="from",
            max_length=40,
            description="In place of `period`: the first moment, on a full quarter of an hour. A"
            " date is its beginning in the time zone.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        Query(max_length=40, description="The moment before which the range ends; by default now."),
    ] = None,
    agent_id: Annotated[Id | None, Query(description="Of this agent only.")] = None,
) -> Asked:
    now = ports.clock.now()
    if from_ is None and to is not None:
        raise RangeInvalid("Send `from` with `to`.")
    if from_ is not None and period is not None:
        raise RangeInvalid("Send either `period`, or `from` and `to`.")
    chosen = latest(period or "week", now, zone) if from_ is None else custom(from_, to, now, zone)
    return Asked(chosen, agent_id)


WhatIsAsked = Annotated[Asked, Depends(_asked)]
OfInterval = Annotated[
    Interval | None,
    Query(description="How long a bucket of the series is; by default what suits the period."),
]


@router.get("/dashboard", summary="Read the dashboard", responses=problems(RangeInvalid))
async def get_dashboard(
    figures: Figures,
    asked: WhatIsAsked,
    interval: OfInterval = None,
    compare: Annotated[
        bool, Query(description="With the period before, as `previous`."), TrueOrFalse
    ] = False,
) -> Dashboard:
    """The figures of a period; what is said now is counted within 2 seconds.

    Every number of `links` equals the length of the list at its address, for as long as the rows
    are kept: what a retention has removed stays counted, what somebody has deleted does not.
    Conversations, and all that is said of them, count where they began; messages, answers,
    ratings and conversions at their own time. All are reckoned from the rows, at any time anew.
    """
    before = Asked(asked.range.before(), asked.agent_id) if compare else None
    chosen = interval or default_interval(asked.range)
    return await figures.dashboard(asked, interval=chosen, before=before)


@router.get(
    "/items",
    summary="List what a number has counted",
    responses=problems(InvalidCursor, RangeInvalid),
)
async def list_items(
    ports: OpenPorts,
    caller: AnalyticsReader,
    figures: Figures,
    asked: WhatIsAsked,
    measure: Annotated[Measure, Query(description="The number; see the dashboard's `links`.")],
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Item]:
    """The conversations, messages, answers, ratings or visitors behind a number, latest first."""
    pages = cursors(ports, caller, "items", measure, asked.row())
    rows = await figures.items(asked, measure, limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda row: row.id)


def _example() -> str:
    columns = series_columns()
    bucket = Bucket.model_validate(DASHBOARD["time_series"][0])
    return header(columns, ",") + line(bucket.model_dump(by_alias=True), columns, ",")


@router.get(
    "/export",
    summary="Export figures as CSV",
    response_class=StreamingResponse,
    responses=csv_answer(_example()) | problems(RangeInvalid),
)
async def export_figures(
    figures: Figures,
    asked: WhatIsAsked,
    interval: OfInterval = None,
    measure: Annotated[
        Measure | None,
        Query(description="In place of the series: everything that this number has counted."),
    ] = None,
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """The series, a line a bucket; or with `measure` the rows behind a number, latest first.

    UTF-8 with a byte order mark; a cell that a spreadsheet would run begins with an apostrophe.
    """
    if measure is not None:
        pieces = items_sheet(figures, asked, measure, DELIMITERS[delimiter])
        return await export_response(measure, pieces)
    chosen = interval or default_interval(asked.range)
    return await export_response(
        "analytics", series_sheet(figures, asked, chosen, DELIMITERS[delimiter])
    )


@router.get("/passages", summary="List passages that sell", responses=problems(RangeInvalid))
async def list_passages(
    figures: Figures,
    asked: WhatIsAsked,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most."), DigitsOnly] = 20,
) -> SellingPassages:
    """Passages of the knowledge that answers cited before conversions of the range.

    `/analytics/conversions?chunk_id=…` lists the conversions of one.
    """
    return SellingPassages(data=await figures.passages(asked, limit=limit))


FEATURE = Feature("analytics", router, open_analytics)
