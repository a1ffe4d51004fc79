"""Leads in the database."""

from collections.abc import AsyncIterator
from typing import Any

from app.core.ids import OrganizationId
from app.domain_events import EVENTS
from app.domain_events.lead_captured import LeadCaptured
from app.domain_events.lead_updated import LeadUpdated
from app.features.leads.capture import Capture, Captured
from app.features.leads.errors import LeadAlreadyExists, LeadNotFound
from app.features.leads.schemas import Lead
from app.ports.store import Database

# Few enough that turning them into text holds nobody else up.
EXPORT_AT_ONCE = 200


class LeadRepository:
    """The leads of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(
        self, *, limit: int, after: str | None, text: str | None, where: dict[str, Any]
    ) -> list[Lead]:
        rows = await self._scope.call(
            "rows_find_v1",
            table="leads",
            where=await self._by_lead(where),
            limit=limit,
            text=text,
            after=after,
        )
        return [Lead.model_validate(row) for row in rows]

    async def _by_lead(self, where: dict[str, Any]) -> dict[str, Any]:
        """The conditions with the lead that a conversation has given to, in place of the latter."""
        if where.get("conversation_id") is None:
            return where
        drafts = await self._scope.call(
            "rows_find_v1",
            table="lead_drafts",
            where={"conversation_id": where["conversation_id"]},
            limit=1,
            order_by="conversation_id",
        )
        if not drafts:
            return where
        others = {name: test for name, test in where.items() if name != "conversation_id"}
        return others | {"id": drafts[0]["lead_id"]}

    async def pages(self, *, text: str | None, where: dict[str, Any]) -> AsyncIterator[list[Lead]]:
        """All of them, newest first, some hundreds at a time; the first may be empty."""
        after: str | None = None
        while True:
            rows = await self.page(limit=EXPORT_AT_ONCE, after=after, text=text, where=where)
            yield rows
            if len(rows) < EXPORT_AT_ONCE:
                return
            after = rows[-1].id

    async def find(self, lead_id: str) -> Lead | None:
        rows = await self._scope.call("rows_find_v1", table="leads", where={"id": lead_id}, limit=1)
        return Lead.model_validate(rows[0]) if rows else None

    async def create(self, lead: dict[str, Any]) -> Lead:
        result = await self._scope.call(
            "lead_create_v1", lead=lead, events=[_captured(lead["id"], lead["source"])]
        )
        return _changed(result)

    async def update(self, lead_id: str, changes: dict[str, Any]) -> Lead:
        return _changed(await self._scope.call("lead_update_v1", id=lead_id, changes=changes))

    async def delete(self, lead_id: str) -> bool:
        return bool(await self._scope.call("row_delete_v1", table="leads", id=lead_id))

    async def field_names(self) -> list[str]:
        return await self._scope.call("lead_fields_list_v1")

    async def capture(self, capture: Capture) -> Captured | None:
        """What the conversation has given by now; None where there is no such conversation."""
        row = capture.row()
        updated = EVENTS["lead_updated"].of(LeadUpdated(lead_id=row["id"]))
        result = await self._scope.call(
            "lead_capture_v1", call=row, events=[_captured(row["id"], "chat"), updated]
        )
        return None if result["outcome"] != "kept" else Captured.of(result)


def _captured(lead_id: str, source: str) -> dict[str, Any]:
    # The database puts in what the lead holds once it is complete, and under which id.
    return EVENTS["lead_captured"].of(LeadCaptured(lead_id=lead_id, source=source))


def _changed(result: dict[str, Any]) -> Lead:
    match result["outcome"]:
        case "exists":
            raise LeadAlreadyExists(
                "Change that one, or delete it first.", lead_id=result["lead_id"]
            )
        case "not_found":
            raise LeadNotFound
        case _:
            return Lead.model_validate(result["lead"])
