"""The log of deliveries in the database."""

from typing import Any

from app.core.ids import OrganizationId
from app.features.webhooks.delivery_schemas import Delivery, DeliveryDetail, Recovery
from app.features.webhooks.errors import (
    DeliveryNotFound,
    DeliveryUnderWay,
    RecoveryNotFound,
    WebhookInactive,
)
from app.ports.store import Database


class DeliveryRepository:
    """The deliveries of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(self, *, limit: int, after: str | None, where: dict[str, Any]) -> list[Delivery]:
        rows = await self._scope.call(
            "rows_find_v1", table="webhook_deliveries", where=where, limit=limit, after=after
        )
        return [Delivery.model_validate(row) for row in rows]

    async def get(self, delivery_id: str) -> DeliveryDetail:
        row = await self._scope.call("delivery_get_v1", id=delivery_id)
        if row is None:
            raise DeliveryNotFound
        return DeliveryDetail.model_validate(row)

    async def retry(self, delivery_id: str) -> Delivery:
        result = await self._scope.call("delivery_retry_v1", id=delivery_id)
        match result["outcome"]:
            case "not_found":
                raise DeliveryNotFound
            case "inactive":
                raise WebhookInactive("Its webhook is switched off or deleted.")
            case "under_way":
                raise DeliveryUnderWay
            case _:
                return Delivery.model_validate(result["delivery"])

    async def recovery(self, recovery_id: str) -> Recovery:
        rows = await self._scope.call(
            "rows_find_v1", table="webhook_recoveries", where={"id": recovery_id}, limit=1
        )
        if not rows:
            raise RecoveryNotFound
        return Recovery.model_validate(rows[0])
