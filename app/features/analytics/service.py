"""What can be asked of figures."""

from typing import Any

from app.features.analytics.dashboard_schemas import Dashboard
from app.features.analytics.figures import compared, detailed
from app.features.analytics.item_schemas import Item, SellingPassage
from app.features.analytics.items import Asked, Measure, links, part_and_column
from app.features.analytics.periods import Interval, quarter_of
from app.ports import Ports
from app.web.auth import Caller


class AnalyticsService:
    """Figures of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._scope = ports.database.scoped(caller.organization_id)

    async def dashboard(
        self, asked: Asked, *, interval: Interval, before: Asked | None
    ) -> Dashboard:
        """All figures of a range, and those of another to compare them with."""
        bounds = asked.range.bounds(interval)
        figures = await self._figures(asked, bounds=[quarter_of(bound) for bound in bounds])
        sections = detailed(figures, bounds)
        previous = None
        if before is not None:
            ends = {"from": before.range.start, "to": before.range.stop}
            previous = compared(await self._figures(before)) | ends
        period = {
            "from": asked.range.start,
            "to": asked.range.stop,
            "timezone": asked.range.zone.key,
            "interval": interval,
        }
        return Dashboard.model_validate(
            sections | {"period": period, "links": links(asked), "previous": previous}
        )

    async def _figures(self, asked: Asked, **fields: Any) -> dict[str, Any]:
        return await self._scope.call("analytics_figures_v1", range=asked.row(**fields))

    async def items(
        self, asked: Asked, measure: Measure, *, limit: int, after: str | None
    ) -> list[Item]:
        """What a measure has counted, the latest first, after the item with that id."""
        part, column = part_and_column(measure)
        is_back = {"is_back": True} if measure == "returning_visitors" else {}
        rows = await self._scope.call(
            "analytics_items_v1",
            range=asked.row(**is_back),
            part=part,
            measure=column,
            limit=limit,
            after=after,
        )
        return [Item.model_validate(row) for row in rows]

    async def passages(self, asked: Asked, *, limit: int) -> list[SellingPassage]:
        """Passages that were cited before conversions, those that sold most first."""
        rows = await self._scope.call("analytics_passages_v1", range=asked.row(), limit=limit)
        return [SellingPassage.of(row) for row in rows]
