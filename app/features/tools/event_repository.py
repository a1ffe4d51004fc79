"""Events of tools in the database."""

from typing import Any

from app.core.ids import OrganizationId
from app.ports.store import Database


async def announce_once(
    database: Database, organization_id: OrganizationId, event: dict[str, Any]
) -> bool:
    """Announce an event; False if one with its id was announced before."""
    scope = database.scoped(organization_id)
    result = await scope.call("event_announce_once_v1", event=event)
    return result["outcome"] == "announced"
