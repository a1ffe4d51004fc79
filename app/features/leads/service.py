"""What can be done with leads."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from app.core.ids import OrganizationId, new_id
from app.core.schemas import rfc3339
from app.features.leads.capture import CONSENT, DETAILS, Capture, Captured, OnDuplicate
from app.features.leads.errors import LeadNotFound
from app.features.leads.repository import LeadRepository
from app.features.leads.schemas import Lead, LeadCreate, LeadUpdate
from app.features.leads.sheet import LeadSheet
from app.ports import Ports
from app.web.exports import lines

__all__ = ["CONSENT", "DETAILS", "Capture", "Captured", "LeadService", "OnDuplicate"]

# Telephones and documents are kept as bare digits, and looked for as people write them.
_WRITTEN_IN_DIGITS = re.compile(r"\+?[0-9().\s/-]*[0-9][0-9().\s/-]*")


class LeadService:
    """Leads of one organization."""

    def __init__(self, ports: Ports, organization_id: OrganizationId) -> None:
        self._clock = ports.clock
        self._repository = LeadRepository(ports.database, organization_id)

    async def page(
        self, *, limit: int, after: str | None, q: str | None, where: dict[str, Any]
    ) -> list[Lead]:
        """Newest first, after the lead with that id."""
        return await self._repository.page(limit=limit, after=after, text=_sought(q), where=where)

    async def get(self, lead_id: str) -> Lead:
        """One lead.

        Raises:
            LeadNotFound: this organization has no such lead.
        """
        lead = await self._repository.find(lead_id)
        if lead is None:
            raise LeadNotFound
        return lead

    async def create(self, body: LeadCreate) -> Lead:
        """A lead entered by hand; announced like any other.

        Raises:
            LeadAlreadyExists: with the id of the one that has the same e-mail, telephone or
                document.
        """
        fields = body.model_dump(mode="json", exclude={"consent"})
        consent = body.consent and {
            "text": body.consent.text,
            "given_at": rfc3339(body.consent.given_at or self._clock.now()),
        }
        return await self._repository.create(fields | {"id": new_id(), "consent": consent})

    async def update(self, lead_id: str, body: LeadUpdate) -> Lead:
        """The lead with the sent fields changed.

        Raises:
            LeadNotFound: there is no such lead.
            LeadAlreadyExists: another has that e-mail, telephone or document.
        """
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        return await self._repository.update(lead_id, changes)

    async def delete(self, lead_id: str) -> None:
        """Delete the lead with all that its conversations have given of it.

        Raises:
            LeadNotFound: there is none, or no longer.
        """
        if not await self._repository.delete(lead_id):
            raise LeadNotFound

    async def export(
        self, *, q: str | None, where: dict[str, Any], delimiter: str | None
    ) -> AsyncGenerator[str]:
        """The leads, newest first, read as they are sent: CSV, or without a delimiter JSON."""
        sheet = None
        if delimiter is not None:
            sheet = LeadSheet(await self._repository.field_names(), delimiter)
        async with aclosing(
            lines(self._repository.pages(text=_sought(q), where=where), sheet)
        ) as pieces:
            async for piece in pieces:
                yield piece

    async def capture(self, capture: Capture) -> Captured | None:
        """Add to the lead of a conversation, once for each key; None without that conversation.

        Whoever gives all that is required becomes one lead, however many calls do so at once.
        """
        return await self._repository.capture(capture)


def _sought(q: str | None) -> str | None:
    if q and _WRITTEN_IN_DIGITS.fullmatch(q.strip()):
        return re.sub(r"[^0-9]", "", q)
    return q
