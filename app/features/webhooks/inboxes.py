"""Test inboxes: addresses of this service that record what they receive."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.encryption import LastingVault, Unsealable
from app.core.errors import PayloadTooLarge
from app.core.ids import OrganizationId, new_id
from app.features.webhooks.delivery_schemas import Inbox, InboxMessage
from app.features.webhooks.errors import InboxNotFound
from app.features.webhooks.repository import InboxRepository
from app.ports import Ports

PATH = "/api/v2/webhooks/inboxes"
MAX_MESSAGE_BYTES = 256 * 1024
CREDENTIAL = re.compile("authorization|api-?key|token|secret|cookie|passw|credential", re.I)
_ADDRESS = re.compile(
    rf"https?://[^/?#@\\\s]+(?:/[^?#%]*)?{PATH}/([0-9a-f-]{{36}})/messages/([A-Za-z0-9_-]{{1,256}})"
)
_PURPOSE = "webhook_inbox"


@dataclass(frozen=True, slots=True)
class InboxKey:
    """Which inbox an address belongs to: proven by its key, looked up nowhere."""

    organization_id: OrganizationId
    inbox_id: str


class InboxAddresses:
    """Makes addresses that cannot be guessed, and knows its own again."""

    def __init__(self, lasting: LastingVault, public_url: str) -> None:
        self._lasting = lasting
        self._base = public_url.rstrip("/") + PATH

    def address(self, key: InboxKey) -> str:
        sealed = self._lasting.seal(f"{key.organization_id} {key.inbox_id}", purpose=_PURPOSE)
        return f"{self._base}/{key.inbox_id}/messages/{sealed}"

    def opened(self, inbox_id: str, sealed: str) -> InboxKey:
        """The inbox that this key belongs to.

        Raises:
            InboxNotFound: it is no key of that inbox.
        """
        try:
            text = self._lasting.unseal(sealed, purpose=_PURPOSE)
        except Unsealable:
            raise InboxNotFound from None
        organization_id, _, named = text.partition(" ")
        if named != inbox_id:
            raise InboxNotFound
        return InboxKey(OrganizationId(organization_id), inbox_id)

    def recognised(self, url: str) -> InboxKey | None:
        """The inbox at this address, if it is one of ours, under whatever name we are called."""
        match = _ADDRESS.fullmatch(url)
        if match is None:
            return None
        try:
            return self.opened(match[1], match[2])
        except InboxNotFound:
            return None

    def canonical(self, url: str) -> str | None:
        """The address as this service is called from outside; None where it is no inbox of ours."""
        match = _ADDRESS.fullmatch(url)
        return match and self.recognised(url) and f"{self._base}/{match[1]}/messages/{match[2]}"


class InboxService:
    """The inboxes of one organization."""

    def __init__(self, ports: Ports, organization_id: OrganizationId) -> None:
        self._organization_id = organization_id
        self._addresses = InboxAddresses(ports.lasting, ports.settings.public_url)
        self._repository = InboxRepository(ports.database, organization_id)
        self._clock = ports.clock

    async def create(self) -> Inbox:
        """A new one, open for an hour.

        Raises:
            TooManyInboxes: as many as may be are open.
        """
        return self._shown(await self._repository.create(new_id()))

    async def page(self, *, limit: int, after: str | None) -> list[Inbox]:
        """Those that are open, newest first."""
        where = {"expires_at": {"gt": self._clock.now().isoformat()}}
        rows = await self._repository.page(limit=limit, after=after, where=where)
        return [self._shown(row) for row in rows]

    async def messages(self, inbox_id: str, *, limit: int, after: str | None) -> list[InboxMessage]:
        """What it received, newest first.

        Raises:
            InboxNotFound: there is none, or it has expired.
        """
        now = self._clock.now().isoformat()
        where = {"id": inbox_id, "expires_at": {"gt": now}}
        if not await self._repository.page(limit=1, after=None, where=where):
            raise InboxNotFound
        return await self._repository.messages(inbox_id, limit=limit, after=after)

    async def receive(
        self,
        inbox_id: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        delivered: str | None = None,
    ) -> None:
        """Record a message; what credentials it carried is not kept.

        One of our own deliveries, by the id of its message, is recorded unless it was erased.

        Raises:
            InboxExpired: the inbox is not open any longer.
            PayloadTooLarge: the body has more than 256 KiB.
        """
        if len(body) > MAX_MESSAGE_BYTES:
            raise PayloadTooLarge(f"An inbox takes up to {MAX_MESSAGE_BYTES // 1024} KiB.")
        shown = {name: "***" if CREDENTIAL.search(name) else headers[name] for name in headers}
        message = {"id": new_id(), "headers": shown, "size_bytes": len(body)}
        await self._repository.receive(inbox_id, message | _content(body), delivered=delivered)

    def _shown(self, row: dict[str, Any]) -> Inbox:
        url = self._addresses.address(InboxKey(self._organization_id, row["id"]))
        return Inbox.model_validate(row | {"url": url})


def _content(body: bytes) -> dict[str, str | None]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:  # which PostgreSQL keeps in no text
        return {"body": None, "body_base64": base64.b64encode(body).decode()}
    return {"body": text, "body_base64": None}
