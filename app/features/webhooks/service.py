"""What can be done with webhooks."""

from typing import Any

from app.core.errors import InvalidRequest
from app.core.ids import new_id
from app.core.new_secrets import secret_bytes
from app.core.signing import NEW_SECRET_BYTES, new_secret
from app.domain_events import EVENTS
from app.features.webhooks.addresses import kept_address, shown_address, stored_address
from app.features.webhooks.delivery_schemas import Delivery, Recovery
from app.features.webhooks.errors import (
    RecoveryUnderWay,
    SinceTooLongAgo,
    UnknownEvent,
    WebhookChanging,
    WebhookNotFound,
)
from app.features.webhooks.headers import check_move, kept, shown
from app.features.webhooks.inboxes import InboxAddresses
from app.features.webhooks.queue import DELIVERIES_DUE
from app.features.webhooks.repository import StoredWebhook, WebhookRepository
from app.features.webhooks.schemas import (
    MAX_URL_CHARS,
    RecoverOrder,
    Webhook,
    WebhookCreate,
    WebhookReplace,
    WebhookUpdate,
    WebhookWithSecret,
)
from app.features.webhooks.sealing import WebhookSeals
from app.features.webhooks.templates import TEMPLATES, check_events
from app.ports import Ports
from app.ports.fetch import AddressRefused, HeadersRefused
from app.web.auth import Caller

TEST_EVENT = "webhook_test"
MAX_RECOVERY_DAYS = 14
# Somebody else has to be quicker as many times over before a change is given up.
CHANGE_TRIES = 20


class WebhookService:
    """Webhooks of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._inboxes = InboxAddresses(ports.lasting, ports.settings.public_url)
        self._repository = WebhookRepository(ports.database, caller.organization_id)

    async def page(self, *, limit: int, after: str | None, is_active: bool | None) -> list[Webhook]:
        """Newest first, after the webhook with that id."""
        where = {} if is_active is None else {"is_active": is_active}
        rows = await self._repository.page(limit=limit, after=after, where=where)
        return [self._shown(row) for row in rows]

    async def get(self, webhook_id: str) -> Webhook:
        """One webhook.

        Raises:
            WebhookNotFound: this organization has no such webhook.
        """
        return self._shown(await self._repository.get(webhook_id))

    async def create(self, body: WebhookCreate) -> WebhookWithSecret:
        """A new webhook with its secret.

        Raises:
            AddressRefused: its address is not one that may be called.
            UnknownAgent: it is narrowed to an agent that does not exist here.
            TooManyWebhooks: the organization has as many as it may have.
        """
        made = secret_bytes(self._ports.vault, "webhook", NEW_SECRET_BYTES)
        webhook_id, secret = new_id(), body.secret or new_secret(made)
        check_events(body.template, body.events)
        fields = body.model_dump(mode="json", exclude={"secret"}) | {"id": webhook_id}
        seals = WebhookSeals(self._ports.vault, webhook_id)
        fields["secret_sealed"] = seals.seal_secret(secret)
        stored = await self._repository.create(self._sealed(seals, fields, seen=None, before={}))
        return self._with_secret(stored, secret)

    async def replace(self, webhook_id: str, body: WebhookReplace) -> Webhook:
        """The webhook as given, with the secret that it has."""
        return await self._change(webhook_id, body.model_dump(mode="json"))

    async def update(self, webhook_id: str, body: WebhookUpdate) -> Webhook:
        """The webhook with the sent fields changed."""
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        return await self._change(webhook_id, changes)

    async def _change(self, webhook_id: str, changes: dict[str, Any]) -> Webhook:
        for _ in range(CHANGE_TRIES):
            seen = await self._repository.get(webhook_id)
            changed = await self._repository.update(seen, self._changes(seen, dict(changes)))
            if changed is not None:
                return self._shown(changed)
        raise WebhookChanging

    def _changes(self, seen: StoredWebhook, changes: dict[str, Any]) -> dict[str, Any]:
        """The changes as they are kept, for the webhook as it was seen and for no other."""
        seals = WebhookSeals(self._ports.vault, seen.fields["id"])
        before = seals.readable_headers(seen.headers_sealed)
        sent = changes.get("headers")
        after = {**seen.fields, **changes}
        check_events(after["template"], after["events"])
        changes = self._sealed(seals, changes, seen=seen, before=before)
        if "url" in changes:
            check_move(changes["url"], seen.fields["url"], sent=sent, now=before)
        return changes

    def _sealed(
        self,
        seals: WebhookSeals,
        fields: dict[str, Any],
        *,
        seen: StoredWebhook | None,
        before: dict[str, str],
    ) -> dict[str, Any]:
        """The fields as they are kept: the address checked, and what is secret sealed."""
        if "headers" in fields:
            headers = kept(fields.pop("headers"), before)
            self._check(headers)
            fields["headers_sealed"] = seals.seal_headers(headers)
        if "url" in fields:
            inbox = self._inboxes.canonical(fields["url"])
            fields |= _kept_url(seals, inbox or self._ports.fetch.canonical(fields["url"]), seen)
        return fields

    def _check(self, headers: dict[str, str]) -> None:
        try:
            self._ports.fetch.check_headers(headers)
        except HeadersRefused as refused:
            told = {"pointer": "/headers", "detail": refused.detail}
            raise HeadersRefused(refused.detail, errors=[told]) from None

    async def delete(self, webhook_id: str) -> None:
        """Delete the webhook; what waits for it is not sent, and its log stays a while.

        Raises:
            WebhookNotFound: there is none, or no longer.
        """
        if not await self._repository.delete(webhook_id):
            raise WebhookNotFound

    async def rotate(self, webhook_id: str) -> WebhookWithSecret:
        """A new secret; the one before signs beside it for 24 hours.

        Raises:
            WebhookNotFound: this organization has no such webhook.
            TooManySecrets: ten earlier ones are still valid.
        """
        made = secret_bytes(self._ports.vault, f"webhook:{webhook_id}", NEW_SECRET_BYTES)
        secret = new_secret(made)
        sealed = WebhookSeals(self._ports.vault, webhook_id).seal_secret(secret)
        return self._with_secret(await self._repository.rotate(webhook_id, sealed), secret)

    async def test(self, webhook_id: str, event_type: str | None) -> Delivery:
        """Queue a made-up event before everything that waits.

        Raises:
            WebhookNotFound: this organization has no such webhook.
            WebhookInactive: it is switched off.
            UnknownEvent: there is no example of that event.
        """
        stored = await self._repository.get(webhook_id)
        template = stored.fields["template"]
        if event_type is None and template is not None:
            event_type = stored.fields["events"][0]  # what it would make of ours nobody takes
        elif template is not None and event_type not in TEMPLATES[template].events:
            raise UnknownEvent(f"`{template}` forwards {', '.join(TEMPLATES[template].events)}.")
        data: dict[str, Any] = {"webhook_id": webhook_id, "message": "It works."}
        if event_type not in (None, TEST_EVENT):
            if event_type not in EVENTS or not EVENTS[event_type].is_for_webhooks:
                raise UnknownEvent("`GET /api/v2/webhooks/events` lists them.")
            data = EVENTS[event_type].example.model_dump(mode="json")
        delivery = await self._repository.test(
            webhook_id, message_id=new_id(), event_type=event_type or TEST_EVENT, data=data
        )
        await self._ports.bus.publish(DELIVERIES_DUE, {})
        return delivery

    async def recover(self, webhook_id: str, order: RecoverOrder) -> Recovery:
        """Order that everything that failed since then be delivered once more.

        Raises:
            WebhookNotFound: this organization has no such webhook.
            WebhookInactive: it is switched off.
            InvalidRequest: that moment lies in the future.
            SinceTooLongAgo: that moment is more than 14 days ago.
            RecoveryUnderWay: one is.
        """
        now = self._ports.clock.now()
        if order.since > now:
            raise InvalidRequest(errors=[{"pointer": "/since", "detail": "lies in the future"}])
        if (now - order.since).days >= MAX_RECOVERY_DAYS:
            raise SinceTooLongAgo(
                errors=[{"pointer": "/since", "detail": "lies more than 14 days back"}]
            )
        recovery = await self._repository.recover(
            webhook_id, recovery_id=new_id(), since=order.since.isoformat()
        )
        if recovery is None:
            raise RecoveryUnderWay
        return recovery

    def _shown(self, stored: StoredWebhook) -> Webhook:
        seals = WebhookSeals(self._ports.vault, stored.fields["id"])
        headers = shown(seals.readable_headers(stored.headers_sealed))
        url = shown_address(stored.fields["url"])
        return Webhook.model_validate({**stored.fields, "headers": headers, "url": url})

    def _with_secret(self, stored: StoredWebhook, secret: str) -> WebhookWithSecret:
        return WebhookWithSecret(**self._shown(stored).model_dump(), secret=secret)


def _kept_url(seals: WebhookSeals, given: str, seen: StoredWebhook | None) -> dict[str, Any]:
    """The address as it is kept; one that stays is not sealed anew."""
    before = seals.readable_url(seen.url_sealed, seen.fields["url"]) if seen else None
    url = kept_address(given, before)
    stored = stored_address(url)
    if len(shown_address(url)) > MAX_URL_CHARS:
        detail = f"has more than {MAX_URL_CHARS} characters as it is shown"
        raise AddressRefused(f"/url: {detail}", errors=[{"pointer": "/url", "detail": detail}])
    if stored == url:
        return {"url": url, "url_sealed": None}
    sealed = seen.url_sealed if seen and url == before else None
    return {"url": stored, "url_sealed": sealed or seals.seal_url(url)}
