"""Events, tickets and counts of open streams in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from app.core.ids import OrganizationId
from app.core.schemas import rfc3339
from app.domain_events.system_update import SystemUpdate
from app.features.events.records import EventFilter, Followed, Replay, StoredEvent, StreamLimits
from app.features.events.schemas import Event
from app.ports.store import Database

FOLLOW_LIMIT = 500
REPLAY_LIMIT = 200


class EventRepository:
    """The events of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def replay(self, after: int | None, chosen: EventFilter) -> Replay:
        """The page after a number; without one, only where history ends."""
        page = await self._scope.call(
            "events_replay_v1",
            after=after,
            types=chosen.listed_types,
            agent_id=chosen.agent_id,
            limit=REPLAY_LIMIT,
        )
        events = [_stored(row) for row in page["events"]]
        return Replay(events, start=page["start"], last=page["last"], head=page["head"])

    async def page(
        self,
        chosen: EventFilter,
        *,
        after: int | None,
        before: int | None,
        between: tuple[datetime | None, datetime | None],
        limit: int,
    ) -> tuple[list[Event], int, int]:
        """Events, the number up to which history is gone, and the greatest one that there is."""
        start, end = between
        found = await self._scope.call(
            "events_list_v2",
            after=after,
            before=before,
            types=chosen.listed_types,
            agent_id=chosen.agent_id,
            **{"from": _moment(start), "to": _moment(end)},
            limit=limit,
        )
        events = [Event.model_validate(row) for row in found["events"]]
        return events, found["purged"], found["head"]

    async def keep_ticket(
        self, secret_sha256: str, credential_sealed: str, ttl_s: int
    ) -> dict[str, Any]:
        """Keep it; gives `expires_at` and `last_event_id`."""
        return await self._scope.call(
            "event_ticket_create_v1",
            secret_sha256=secret_sha256,
            credential_sealed=credential_sealed,
            ttl_s=ttl_s,
        )

    async def admit(
        self, process_id: str, actor: str, limits: StreamLimits, *, own_of_actor: int, own: int
    ) -> bool:
        """Whether one more stream may be open, which is among those of this process already."""
        return await self._scope.call(
            "event_stream_admit_v1",
            process_id=process_id,
            actor=actor,
            own_of_actor=own_of_actor,
            own=own,
            per_caller=limits.per_caller,
            per_organization=limits.per_organization,
        )


class AllEvents:
    """What a process asks for all of its streams at once."""

    def __init__(self, database: Database) -> None:
        self._system = database.system()

    async def follow(
        self, after: int | None, organizations: Collection[OrganizationId]
    ) -> Followed:
        """Events of these organizations after a number of the service, in their order."""
        page = await self._system.call(
            "events_follow_v1",
            after=after,
            organizations=list(organizations),
            limit=FOLLOW_LIMIT,
        )
        events: dict[OrganizationId, list[StoredEvent]] = {}
        for row in page["events"]:
            events.setdefault(row["organization_id"], []).append(_stored(row))
        return Followed(events, page["last"], is_full=len(page["events"]) >= FOLLOW_LIMIT)

    async def take_ticket(self, secret_sha256: str) -> str | None:
        """The sealed credential behind a ticket, once."""
        found = await self._system.call("event_ticket_take_v1", secret_sha256=secret_sha256)
        return None if found is None else found["credential_sealed"]

    async def beat(self, process_id: str, streams: dict[tuple[OrganizationId, str], int]) -> None:
        """Keep how many streams this process has open."""
        counts = [
            {"organization_id": organization_id, "actor": actor, "count": count}
            for (organization_id, actor), count in streams.items()
        ]
        await self._system.call("event_streams_beat_v1", process_id=process_id, streams=counts)

    async def figures(
        self, organizations: Collection[OrganizationId]
    ) -> dict[OrganizationId, SystemUpdate]:
        """What is under way for each of them."""
        found = await self._system.call("system_figures_v1", organizations=list(organizations))
        return {name: SystemUpdate.model_validate(figures) for name, figures in found.items()}

    async def purge(self, limit: int) -> bool:
        """Delete some of what is past its retention; whether nothing is left for now."""
        return bool((await self._system.call("events_purge_v1", limit=limit))["is_done"])


def _stored(row: dict[str, Any]) -> StoredEvent:
    return StoredEvent(
        number=row["number"],
        id=row["id"],
        type=row["type"],
        agent_id=row["agent_id"],
        data=row["data"],
        timestamp=datetime.fromisoformat(row["timestamp"]),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
