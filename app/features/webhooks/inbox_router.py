"""Routes under /api/v2/webhooks/inboxes."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from app.core.errors import PayloadTooLarge
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.features.webhooks.delivery_schemas import Inbox, InboxMessage
from app.features.webhooks.errors import InboxExpired, InboxNotFound, TooManyInboxes
from app.features.webhooks.inboxes import MAX_MESSAGE_BYTES, PATH, InboxAddresses, InboxService
from app.web.auth import WebhooksReader, WebhooksWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.limits import RateLimited, ServiceLimits
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("webhooks", prefix=PATH)
PathId = Annotated[Id, Path(description="The inbox's id.")]


async def _readable(ports: OpenPorts, caller: WebhooksReader) -> InboxService:
    return InboxService(ports, caller.organization_id)


async def _writable(ports: OpenPorts, caller: WebhooksWriter) -> InboxService:
    return InboxService(ports, caller.organization_id)


Readable = Annotated[InboxService, Depends(_readable)]
Writable = Annotated[InboxService, Depends(_writable)]


@router.get("", summary="List test inboxes", responses=problems(InvalidCursor))
async def list_inboxes(
    ports: OpenPorts,
    caller: WebhooksReader,
    inboxes: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Inbox]:
    """Those that are open, newest first."""
    pages = cursors(ports, caller, "inboxes")
    rows = await inboxes.page(limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda inbox: inbox.id)


@router.post("", status_code=201, summary="Open a test inbox", responses=problems(TooManyInboxes))
async def create_inbox(inboxes: Writable, response: Response) -> Inbox:
    """An address of this service that records for an hour what it receives.

    Give it to a webhook as `url` and see a delivery without a server of your own.
    """
    inbox = await inboxes.create()
    response.headers["Location"] = f"{PATH}/{inbox.id}/messages"
    return inbox


@router.get(
    "/{inbox_id}/messages",
    summary="Read what an inbox received",
    responses=problems(InboxNotFound, InvalidCursor),
)
async def list_inbox_messages(
    inbox_id: PathId,
    ports: OpenPorts,
    caller: WebhooksReader,
    inboxes: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[InboxMessage]:
    """The last 100 messages of up to 4 MiB in all, newest first."""
    pages = cursors(ports, caller, "inbox_messages", inbox_id)
    rows = await inboxes.messages(inbox_id, limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda message: message.id)


@router.post(
    "/{inbox_id}/messages/{key}",
    status_code=204,
    summary="Send to a test inbox",
    responses=problems(InboxNotFound, InboxExpired, PayloadTooLarge, RateLimited),
)
async def receive_message(
    inbox_id: PathId,
    key: Annotated[str, Path(max_length=256, description="The last part of the inbox's `url`.")],
    ports: OpenPorts,
    limits: ServiceLimits,
    request: Request,
) -> None:
    """Records whatever is sent, up to 256 KiB; the address is all that it takes."""
    await limits.take_anonymous(request.state.client_address, what="inboxes")
    opened = InboxAddresses(ports.lasting, ports.settings.public_url).opened(inbox_id, key)
    headers = {name: ", ".join(request.headers.getlist(name)) for name in request.headers}
    service = InboxService(ports, opened.organization_id)
    await service.receive(opened.inbox_id, headers, await _limited_body(request))


async def _limited_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_MESSAGE_BYTES:
            break
    return bytes(body)


FEATURE = Feature("inboxes", router)
