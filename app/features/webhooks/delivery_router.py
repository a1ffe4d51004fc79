"""Routes of the log of deliveries, under /api/v2/webhooks."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment, rfc3339
from app.features.webhooks.delivery_repository import DeliveryRepository
from app.features.webhooks.delivery_schemas import Delivery, DeliveryDetail, Recovery, Status
from app.features.webhooks.errors import (
    DeliveryNotFound,
    DeliveryUnderWay,
    RecoveryNotFound,
    WebhookInactive,
    WebhookNotFound,
)
from app.features.webhooks.paths import ONE
from app.features.webhooks.queue import DELIVERIES_DUE
from app.features.webhooks.service import WebhookService
from app.web.auth import WebhooksReader, WebhooksWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("webhooks", prefix="/api/v2/webhooks")
PathId = Annotated[Id, Path(description="The delivery's id.")]


async def _filters(
    status: Annotated[Status | None, Query(description="In this state.")] = None,
    event_type: Annotated[
        str | None, Query(max_length=64, description="Of events of this type.")
    ] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Made at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Made before this moment.")] = None,
) -> dict[str, Any]:
    given = {"status": status, "event_type": event_type}
    where: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    bounds = {"gte": from_, "lt": to}
    between = {name: rfc3339(moment) for name, moment in bounds.items() if moment is not None}
    return where | ({"created_at": between} if between else {})


@router.get(
    ONE + "/deliveries",
    summary="List a webhook's deliveries",
    responses=problems(WebhookNotFound, InvalidCursor),
)
async def list_deliveries(
    webhook_id: Annotated[Id, Path(description="The webhook's id.")],
    ports: OpenPorts,
    caller: WebhooksReader,
    where: Annotated[dict[str, Any], Depends(_filters)],
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Delivery]:
    """Deliveries, newest first. They are kept for 30 days, also those of a deleted webhook."""
    pages = cursors(ports, caller, "deliveries", webhook_id, where)
    rows = await DeliveryRepository(ports.database, caller.organization_id).page(
        limit=limit + 1, after=pages.open(cursor), where=where | {"webhook_id": webhook_id}
    )
    if not rows:
        await WebhookService(ports, caller).get(webhook_id)
    return pages.page(rows, limit, lambda delivery: delivery.id)


@router.get(
    "/deliveries/{delivery_id}",
    summary="Read a delivery",
    responses=problems(DeliveryNotFound),
)
async def get_delivery(
    delivery_id: PathId, ports: OpenPorts, caller: WebhooksReader
) -> DeliveryDetail:
    """One delivery with its body and every attempt: when, where to, how long, what came back."""
    return await DeliveryRepository(ports.database, caller.organization_id).get(delivery_id)


@router.post(
    "/deliveries/{delivery_id}/retry",
    summary="Deliver again",
    responses=problems(DeliveryNotFound, DeliveryUnderWay, WebhookInactive),
)
@done_once
async def retry_delivery(delivery_id: PathId, ports: OpenPorts, caller: WebhooksWriter) -> Delivery:
    """One more attempt at once, also of what has succeeded. If it fails, all stays as it was."""
    delivery = await DeliveryRepository(ports.database, caller.organization_id).retry(delivery_id)
    await ports.bus.publish(DELIVERIES_DUE, {})
    return delivery


@router.get(
    "/recoveries/{recovery_id}",
    summary="Read a recovery",
    responses=problems(RecoveryNotFound),
)
async def get_recovery(
    recovery_id: Annotated[Id, Path(description="The recovery's id.")],
    ports: OpenPorts,
    caller: WebhooksReader,
) -> Recovery:
    """How far a recovery has come."""
    return await DeliveryRepository(ports.database, caller.organization_id).recovery(recovery_id)


FEATURE = Feature("deliveries", router)
