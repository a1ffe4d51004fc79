"""Routes under /api/v2/webhooks."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, TrueOrFalse
from app.domain_events import EVENTS
from app.domain_events.event import EventKind
from app.features.webhooks.delivery_schemas import Delivery, Recovery
from app.features.webhooks.errors import (
    RecoveryUnderWay,
    SinceTooLongAgo,
    TooManySecrets,
    TooManyWebhooks,
    UnknownAgent,
    UnknownEvent,
    WebhookInactive,
    WebhookNotFound,
)
from app.features.webhooks.paths import ONE
from app.features.webhooks.schemas import (
    EventCatalogue,
    EventType,
    RecoverOrder,
    TemplateCatalogue,
    TemplateInfo,
    Webhook,
    WebhookCreate,
    WebhookReplace,
    WebhookUpdate,
    WebhookWithSecret,
)
from app.features.webhooks.service import WebhookService
from app.features.webhooks.templates import TEMPLATES
from app.features.webhooks.templates.template import Template
from app.features.webhooks.upkeep import open_deliveries
from app.ports.fetch import AddressRefused, HeadersRefused
from app.web.auth import WebhooksReader, WebhooksWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("webhooks", prefix="/api/v2/webhooks")
PathId = Annotated[Id, Path(description="The webhook's id.")]
REFUSED = (AddressRefused, HeadersRefused, UnknownAgent)


async def _readable(ports: OpenPorts, caller: WebhooksReader) -> WebhookService:
    return WebhookService(ports, caller)


async def _writable(ports: OpenPorts, caller: WebhooksWriter) -> WebhookService:
    return WebhookService(ports, caller)


Readable = Annotated[WebhookService, Depends(_readable)]
Writable = Annotated[WebhookService, Depends(_writable)]


@router.get("", summary="List webhooks", responses=problems(InvalidCursor))
async def list_webhooks(
    ports: OpenPorts,
    caller: WebhooksReader,
    webhooks: Readable,
    is_active: Annotated[
        bool | None, Query(description="Only those that are switched on, or off."), TrueOrFalse
    ] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Webhook]:
    """Webhooks, newest first, without their secrets."""
    pages = cursors(ports, caller, "webhooks", is_active)
    rows = await webhooks.page(limit=limit + 1, after=pages.open(cursor), is_active=is_active)
    return pages.page(rows, limit, lambda webhook: webhook.id)


@router.post(
    "",
    status_code=201,
    summary="Create a webhook",
    responses=problems(*REFUSED, TooManyWebhooks),
)
async def create_webhook(
    body: WebhookCreate, webhooks: Writable, response: Response
) -> WebhookWithSecret:
    """A new webhook, told of what happens from now on. Its secret is not shown again.

    Deliveries are signed as [Standard Webhooks](https://www.standardwebhooks.com) has it: check
    them with a stock verifier, over the body as it came. Each event arrives at least once, perhaps
    more often and in any order; `webhook-id` is the same whenever it does. 2xx means received,
    410 switches the webhook off, redirects are not followed. Anything else is attempted again.
    """
    webhook = await webhooks.create(body)
    response.headers["Location"] = f"/api/v2/webhooks/{webhook.id}"
    return webhook


@router.get("/templates", summary="List templates")
async def list_templates(caller: WebhooksReader) -> TemplateCatalogue:
    """Ways to forward conversions to interfaces that want another body than ours.

    A webhook with a `template` sends that body, to the address with the credential that the other
    side gives you. The delivery log shows the event from which it was made.
    """
    return TemplateCatalogue(data=[_shown(template) for template in TEMPLATES.values()])


def _shown(template: Template) -> TemplateInfo:
    event = _example_of(EVENTS[template.events[0]])
    return TemplateInfo(
        name=template.name,
        description=template.description,
        url=template.url,
        events=list(template.events),
        example=template.body(event),
    )


def _example_of(kind: EventKind) -> dict[str, Any]:
    return {
        "type": kind.name,
        "timestamp": "2026-11-23T20:15:00.123Z",
        "data": kind.example.model_dump(mode="json"),
    }


@router.get("/events", summary="List the types of event")
async def list_event_types(caller: WebhooksReader) -> EventCatalogue:
    """Every event that the service announces by itself, with a body as it is delivered."""
    return EventCatalogue(
        data=[
            EventType(
                name=kind.name,
                description=kind.description,
                example=_example_of(kind),
            )
            for kind in EVENTS.values()
            if kind.is_for_webhooks
        ]
    )


@router.get(ONE, summary="Read a webhook", responses=problems(WebhookNotFound))
async def get_webhook(webhook_id: PathId, webhooks: Readable) -> Webhook:
    """One webhook, without its secret."""
    return await webhooks.get(webhook_id)


@router.put(
    ONE,
    summary="Replace a webhook",
    responses=problems(WebhookNotFound, *REFUSED),
)
async def replace_webhook(webhook_id: PathId, body: WebhookReplace, webhooks: Writable) -> Webhook:
    """The whole webhook but its secret; fields that are left out go back to their defaults."""
    return await webhooks.replace(webhook_id, body)


@router.patch(
    ONE,
    summary="Change a webhook",
    responses=problems(WebhookNotFound, *REFUSED),
)
async def update_webhook(webhook_id: PathId, body: WebhookUpdate, webhooks: Writable) -> Webhook:
    """The sent fields only. What waits goes to the new address.

    To another server, what is hidden of headers and address must be sent again or dropped.

    Switched off, what waits is `skipped`; switched on again, it is told of what happens from then
    on. `POST /{webhook_id}/recover` brings back the rest.
    """
    return await webhooks.update(webhook_id, body)


@router.delete(
    ONE,
    status_code=204,
    summary="Delete a webhook",
    responses=problems(WebhookNotFound),
)
async def delete_webhook(webhook_id: PathId, webhooks: Writable) -> None:
    """The webhook; what waits for it is not sent. The log of its deliveries stays for 30 days."""
    await webhooks.delete(webhook_id)


@router.post(
    ONE + "/test",
    summary="Send a test event",
    responses=problems(WebhookNotFound, WebhookInactive, UnknownEvent),
)
@done_once
async def send_test_event(
    webhook_id: PathId,
    webhooks: Writable,
    event_type: Annotated[
        str | None,
        Query(max_length=64, description="Send the example of this event instead of a greeting."),
    ] = None,
) -> Delivery:
    """A signed event on the way of all others, before whatever waits; attempted once.

    Follow it at `GET /deliveries/{id}`. Whatever comes of it, the webhook stays on.
    """
    return await webhooks.test(webhook_id, event_type)


@router.post(
    ONE + "/rotate-secret",
    summary="Change the secret",
    responses=problems(WebhookNotFound, TooManySecrets),
)
@done_once
async def rotate_secret(webhook_id: PathId, webhooks: Writable) -> WebhookWithSecret:
    """A new secret, shown this once. For 24 hours deliveries carry both signatures."""
    return await webhooks.rotate(webhook_id)


@router.post(
    ONE + "/recover",
    summary="Deliver again what failed",
    responses=problems(WebhookNotFound, WebhookInactive, SinceTooLongAgo, RecoveryUnderWay),
)
@done_once
async def recover_webhook(webhook_id: PathId, body: RecoverOrder, webhooks: Writable) -> Recovery:
    """Everything that failed or was skipped since then, each once, in the background.

    What happened while the webhook was off comes too, as far as events are kept. It goes on over
    restarts; follow it at `GET /recoveries/{id}`.
    """
    return await webhooks.recover(webhook_id, body)


FEATURE = Feature("webhooks", router, open_deliveries)
