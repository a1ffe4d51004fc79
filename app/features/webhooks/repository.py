"""Webhooks and test inboxes in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.ids import OrganizationId
from app.features.webhooks.delivery_schemas import Delivery, InboxMessage, Recovery
from app.features.webhooks.errors import (
    InboxExpired,
    TooManyInboxes,
    TooManySecrets,
    TooManyWebhooks,
    UnknownAgent,
    WebhookInactive,
    WebhookNotFound,
)
from app.ports.store import Database

MAX_WEBHOOKS = 50
MAX_SECRETS = 10
OVERLAP_S = 24 * 3600
MAX_INBOXES = 20
INBOX_S = 3600
MAX_INBOX_MESSAGES = 100
MAX_INBOX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """A webhook whose headers are sealed, and its address where that holds credentials."""

    fields: Mapping[str, Any]
    headers_sealed: str | None
    url_sealed: str | None


class WebhookRepository:
    """The webhooks of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(
        self, *, limit: int, after: str | None, where: dict[str, Any]
    ) -> list[StoredWebhook]:
        rows = await self._scope.call(
            "rows_find_v1", table="webhooks", where=where, limit=limit, after=after
        )
        return [_stored(row) for row in rows]

    async def get(self, webhook_id: str) -> StoredWebhook:
        rows = await self._scope.call(
            "rows_find_v1", table="webhooks", where={"id": webhook_id}, limit=1
        )
        if not rows:
            raise WebhookNotFound
        return _stored(rows[0])

    async def create(self, fields: dict[str, Any]) -> StoredWebhook:
        result = await self._scope.call("webhook_create_v2", webhook=fields, max=MAX_WEBHOOKS)
        if result["outcome"] == "too_many":
            raise TooManyWebhooks(f"An organization has up to {MAX_WEBHOOKS} webhooks.")
        return _changed(result)

    async def update(self, seen: StoredWebhook, changes: dict[str, Any]) -> StoredWebhook | None:
        """The webhook with the changes; None where it is no longer the one that was seen."""
        result = await self._scope.call(
            "webhook_update_v2",
            id=seen.fields["id"],
            seen={
                "url": seen.fields["url"],
                "url_sealed": seen.url_sealed,
                "headers_sealed": seen.headers_sealed,
                "template": seen.fields["template"],
                "events": seen.fields["events"],
            },
            changes=changes,
        )
        return None if result["outcome"] == "changed_meanwhile" else _changed(result)

    async def rotate(self, webhook_id: str, secret_sealed: str) -> StoredWebhook:
        result = await self._scope.call(
            "webhook_rotate_v1",
            id=webhook_id,
            secret_sealed=secret_sealed,
            overlap_s=OVERLAP_S,
            max=MAX_SECRETS,
        )
        if result["outcome"] == "too_many":
            raise TooManySecrets(f"{MAX_SECRETS} earlier secrets are still valid.")
        return _changed(result)

    async def delete(self, webhook_id: str) -> bool:
        return bool(await self._scope.call("row_delete_v1", table="webhooks", id=webhook_id))

    async def test(
        self, webhook_id: str, *, message_id: str, event_type: str, data: dict[str, Any]
    ) -> Delivery:
        result = await self._scope.call(
            "webhook_test_v1",
            webhook_id=webhook_id,
            message_id=message_id,
            type=event_type,
            data=data,
        )
        _refuse(result["outcome"])
        return Delivery.model_validate(result["delivery"])

    async def recover(self, webhook_id: str, *, recovery_id: str, since: str) -> Recovery | None:
        """The order; None while another one is under way."""
        result = await self._scope.call(
            "webhook_recover_v1", webhook_id=webhook_id, id=recovery_id, since=since
        )
        _refuse(result["outcome"])
        return Recovery.model_validate(result["recovery"]) if "recovery" in result else None


def _stored(row: dict[str, Any]) -> StoredWebhook:
    return StoredWebhook(row, row["headers_sealed"], row["url_sealed"])


def _refuse(outcome: str) -> None:
    match outcome:
        case "not_found":
            raise WebhookNotFound
        case "inactive":
            raise WebhookInactive("Switch it on first: `PATCH` with `is_active: true`.")
        case "unknown_agent":
            raise UnknownAgent(
                errors=[{"pointer": "/agent_id", "detail": "There is no such agent."}]
            )
        case _:
            return


def _changed(result: dict[str, Any]) -> StoredWebhook:
    _refuse(result["outcome"])
    return _stored(result["webhook"])


class InboxRepository:
    """The test inboxes of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def create(self, inbox_id: str) -> dict[str, Any]:
        result = await self._scope.call(
            "inbox_create_v1", id=inbox_id, ttl_s=INBOX_S, max=MAX_INBOXES
        )
        if result["outcome"] == "too_many":
            raise TooManyInboxes(f"{MAX_INBOXES} are open; each closes an hour after its creation.")
        return result["inbox"]

    async def page(
        self, *, limit: int, after: str | None, where: dict[str, Any]
    ) -> list[dict[str, Any]]:
        return await self._scope.call(
            "rows_find_v1", table="webhook_inboxes", where=where, limit=limit, after=after
        )

    async def messages(self, inbox_id: str, *, limit: int, after: str | None) -> list[InboxMessage]:
        rows = await self._scope.call(
            "rows_find_v1",
            table="webhook_inbox_messages",
            where={"inbox_id": inbox_id},
            limit=limit,
            after=after,
        )
        return [InboxMessage.model_validate(row) for row in rows]

    async def receive(
        self, inbox_id: str, message: dict[str, Any], *, delivered: str | None
    ) -> None:
        """Record a message; `delivered` is its id where we have sent it ourselves.

        Raises:
            InboxExpired: nothing is recorded there any longer.
        """
        is_open = await self._scope.call(
            "inbox_receive_v2",
            inbox_id=inbox_id,
            message=message,
            delivered=delivered,
            max_count=MAX_INBOX_MESSAGES,
            max_bytes=MAX_INBOX_BYTES,
        )
        if not is_open:
            raise InboxExpired
