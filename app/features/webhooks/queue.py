"""The queue of deliveries, which any number of workers share."""

from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.ids import OrganizationId, new_id
from app.ports.store import Database

# Told whenever deliveries have become due; it saves waiting and proves nothing.
DELIVERIES_DUE = "webhooks.due"
FOLLOWED_AT_ONCE = 500
RELEASED_AT_ONCE = 500
RECOVERED_AT_ONCE = 500
SKIPPED_AT_ONCE = 1_000
PURGED_AT_ONCE = 1_000
ADDRESSES_AT_ONCE = 500
LOGGED_AT_ONCE = 2_000
# What an endpoint is sent at once, and as many that wait to follow at once.
PER_LANE = 20
PER_ORGANIZATION = 128
# How long beyond the timeout a lease lasts: for waiting behind others of the same batch, and for
# the report.
MARGIN_S = 20
DISABLE_AFTER_S = 120 * 3600

Outcome = Literal["succeeded", "retry", "failed", "gone", "released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A delivery that nobody else attempts while its lease lasts."""

    id: str
    message_id: str
    event_type: str
    trigger: str
    attempts: int
    tries: int
    body: str | None
    """Null once it was purged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Deliveries to one endpoint under one lease; what is sealed of it still is."""

    webhook_id: str
    organization_id: OrganizationId
    url: str
    url_sealed: str | None
    timeout_s: float
    retry_count: int
    template: str | None
    headers_sealed: str | None
    secrets_sealed: tuple[str, ...]
    lease_id: str
    deliveries: tuple[Leased, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one delivery in this lease; `attempt` is what its log will hold.

    For `hold_s` nothing is sent to the endpoint, as it has asked for.
    """

    delivery_id: str
    webhook_id: str
    lease_id: str
    trigger: str
    outcome: Outcome
    delay_s: float | None = None
    hold_s: float | None = None
    attempt: dict[str, Any] = field(default_factory=dict[str, Any])


class DeliveryQueue:
    """Every process calls these; each call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._system = database.system()

    async def follow(self) -> tuple[bool, bool]:
        """Turn numbered events into deliveries: whether any was made, and whether there is more."""
        done = await self._system.call("webhook_events_follow_v1", limit=FOLLOWED_AT_ONCE)
        return bool(done["made"]), done["is_busy"] or done["followed"] == FOLLOWED_AT_ONCE

    async def claim(self, *, limit: int, margin_s: int = MARGIN_S) -> list[Batch]:
        """Lease what is due, for the endpoint's timeout and the margin.

        An organization has half of what is free at most: however many of them hang, each that comes
        to it still finds room.
        """
        lease_id = new_id()
        rows = await self._system.call(
            "deliveries_claim_v3",
            lease_id=lease_id,
            margin_s=margin_s,
            limit=limit,
            per_lane=PER_LANE,
            per_organization=max(1, min(PER_ORGANIZATION, limit // 2)),
        )
        return [_batch(row, lease_id) for row in rows]

    async def report(self, results: list[Result]) -> int:
        """Write down what became of leased deliveries; returns of how many the lease was lost.

        A repeat after an unknown outcome is harmless: what is settled is not settled again.
        """
        told = await self._system.call(
            "deliveries_report_v1",
            results=[_told(place, result) for place, result in enumerate(results)],
            disable_after_s=DISABLE_AFTER_S,
        )
        return len(results) - len(told["settled"])

    async def release(self) -> int:
        """Let what a silent worker had leased wait again."""
        return await self._system.call("deliveries_release_v1", limit=RELEASED_AT_ONCE)

    async def recover(self) -> bool:
        """Take one recovery a step further; False when there is none."""
        return bool(await self._system.call("recoveries_step_v1", limit=RECOVERED_AT_ONCE))

    async def skip(self) -> bool:
        """Let some of what waits for an endpoint that is off wait no longer; False if none does."""
        return bool(await self._system.call("deliveries_skip_v1", limit=SKIPPED_AT_ONCE))

    async def addresses(self, after: str | None) -> list[dict[str, str]]:
        """Webhooks (`id`, `url`) after that one whose address has a query and is not sealed."""
        return await self._system.call("webhook_urls_page_v1", after=after, limit=ADDRESSES_AT_ONCE)

    async def seal_address(self, webhook_id: str, seen: str, url: str, sealed: str) -> bool:
        """Put the sealed address in the place of that one, in the log too; True: call again."""
        return await self._system.call(
            "webhook_url_seal_v1",
            id=webhook_id,
            seen=seen,
            url=url,
            url_sealed=sealed,
            limit=LOGGED_AT_ONCE,
        )

    async def mend(self) -> bool:
        """Compare every queue with its deliveries; whether one had to be mended."""
        return bool(await self._system.call("lanes_mend_v1"))

    async def purge(self, *, days: int) -> bool:
        """Delete some of what is too old; whether there was any."""
        purged = await self._system.call("deliveries_purge_v2", days=days, limit=PURGED_AT_ONCE)
        inboxes = await self._system.call("inboxes_purge_v1", limit=PURGED_AT_ONCE)
        return bool(purged or inboxes)


def _batch(row: dict[str, Any], lease_id: str) -> Batch:
    return Batch(
        webhook_id=row["webhook_id"],
        organization_id=OrganizationId(row["organization_id"]),
        url=row["url"],
        url_sealed=row["url_sealed"],
        timeout_s=float(row["timeout"]),
        retry_count=row["retry_count"],
        template=row["template"],
        headers_sealed=row["headers_sealed"],
        secrets_sealed=tuple(row["secrets_sealed"]),
        lease_id=lease_id,
        deliveries=tuple(Leased(**delivery) for delivery in row["deliveries"]),
    )


def _told(place: int, result: Result) -> dict[str, Any]:
    return {
        "place": place,
        "id": result.delivery_id,
        "webhook_id": result.webhook_id,
        "lease_id": result.lease_id,
        "trigger": result.trigger,
        "outcome": result.outcome,
        "delay_s": result.delay_s,
        "hold_s": result.hold_s,
        "attempt": result.attempt,
    }
