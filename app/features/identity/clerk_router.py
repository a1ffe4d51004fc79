"""The route to which Clerk sends what changes there."""

from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Request

from app.core.errors import MalformedRequest, NotFound, Unauthorized
from app.core.signing import SecretInvalid, SignatureInvalid, verify
from app.core.strict_json import JsonRefused, read_json
from app.features.identity.clerk_messages import (
    ClerkMessageUnreadable,
    apply_message,
    read_message,
)
from app.web.deps import OpenPorts
from app.web.limits import Limits, limits_of
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("identity", prefix="/api/v2/webhooks/clerk")
log = structlog.get_logger(__name__)


class ClerkSignatureInvalid(Unauthorized):
    """The message is not signed by Clerk, or not just now."""


class ClerkWebhooksNotConfigured(NotFound):
    """The secret of Clerk's webhooks is not set."""


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "type": "organizationMembership.deleted",
                    "object": "event",
                    "timestamp": 1_795_651_200_000,
                    "data": {
                        "organization": {"id": "org_1"},
                        "public_user_data": {"user_id": "user_1"},
                        "role": "org:member",
                    },
                },
            }
        },
    }
}
Part = Annotated[str | None, Header(description="Set by Clerk (svix); also as `webhook-…`.")]


@router.post(
    "",
    status_code=204,
    summary="Receive Clerk's webhooks",
    openapi_extra=BODY,
    responses=problems(
        ClerkSignatureInvalid, ClerkWebhooksNotConfigured, ClerkMessageUnreadable, MalformedRequest
    ),
)
async def receive_clerk_webhook(
    request: Request,
    ports: OpenPorts,
    limits: Annotated[Limits, Depends(limits_of)],
    svix_id: Part = None,
    svix_timestamp: Part = None,
    svix_signature: Part = None,
) -> None:
    """Users, organizations and memberships, each message once, in whatever order they come."""
    signers = [key.get_secret_value() for key in ports.settings.clerk_webhook_secret]
    if not signers:
        log.error("clerk_webhook_without_secret")
        raise ClerkWebhooksNotConfigured("Set CLERK_WEBHOOK_SECRET to the endpoint's secret.")
    body = await request.body()
    message_id = svix_id or request.headers.get("webhook-id", "")
    timestamp = svix_timestamp or request.headers.get("webhook-timestamp", "")
    try:
        verify(
            signers,
            message_id=message_id,
            timestamp=timestamp,
            signature=svix_signature or request.headers.get("webhook-signature", ""),
            body=body,
            now=ports.clock.now(),
        )
    except (SignatureInvalid, SecretInvalid):
        await limits.note_failure(request.state.client_address)
        raise ClerkSignatureInvalid("Use the secret of this endpoint in Clerk.") from None
    try:
        payload = read_json(body, is_foreign=True)
    except (JsonRefused, UnicodeDecodeError):
        raise MalformedRequest("The message is not valid JSON.") from None
    message = read_message(payload, sent_at_s=int(timestamp))
    if message is not None:
        await apply_message(ports, message_id[:200], message)


FEATURE = Feature("clerk", router)
