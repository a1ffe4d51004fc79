"""Figures and what stands behind them as tables."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from app.core.csv_rows import BYTE_ORDER_MARK, csv_line
from app.core.schemas import rfc3339
from app.features.analytics.dashboard_schemas import Bucket
from app.features.analytics.item_schemas import Item
from app.features.analytics.items import Asked, Measure
from app.features.analytics.periods import Interval
from app.features.analytics.service import AnalyticsService

# Few enough that turning them into text holds nobody else up.
AT_ONCE = 200


def series_columns() -> list[str]:
    """A column for each field of a bucket, in the order of the docs."""
    return [field.alias or name for name, field in Bucket.model_fields.items()]


def line(row: Mapping[str, Any], columns: list[str], delimiter: str) -> str:
    """One row's line; moments as in JSON."""
    cells = (row[name] for name in columns)
    texts = [rfc3339(cell) if hasattr(cell, "astimezone") else cell for cell in cells]
    return csv_line(texts, delimiter=delimiter)


def header(columns: list[str], delimiter: str) -> str:
    """The first line, with what tells a spreadsheet that this is UTF-8."""
    return BYTE_ORDER_MARK + csv_line(columns, delimiter=delimiter)


async def series_sheet(
    figures: AnalyticsService, asked: Asked, interval: Interval, delimiter: str
) -> AsyncGenerator[str]:
    """The series, a line a bucket."""
    columns = series_columns()
    shown = await figures.dashboard(asked, interval=interval, before=None)
    yield header(columns, delimiter)
    for bucket in shown.time_series:
        yield line(bucket.model_dump(by_alias=True), columns, delimiter)


async def items_sheet(
    figures: AnalyticsService, asked: Asked, measure: Measure, delimiter: str
) -> AsyncGenerator[str]:
    """Everything that a number has counted, read as it is sent."""
    columns = list(Item.model_fields)
    after: str | None = None
    while True:
        items = await figures.items(asked, measure, limit=AT_ONCE, after=after)
        if after is None:
            yield header(columns, delimiter)
        yield "".join(line(item.model_dump(), columns, delimiter) for item in items)
        if len(items) < AT_ONCE:
            return
        after = items[-1].id
