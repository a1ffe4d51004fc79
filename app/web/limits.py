"""How often a caller may ask, and how many streams it may have open.

Headers follow https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (draft 10).
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request

from app.core.errors import Problem
from app.core.ids import OrganizationId, new_id
from app.ports.limiter import Decision, Limiter, Rate, Wanted
from app.web.auth import Caller

MINUTE_S = 60.0
# No answer takes longer than five minutes; a place that was lost with its process comes back then.
STREAM_LEASE_S = 330.0
ANONYMOUS = Rate(30, MINUTE_S)
# Nothing is guessed by it, and its answer costs little: a client that forgot its key is told so.
WITHOUT_CREDENTIAL = Rate(300, MINUTE_S)


class RateLimited(Problem):
    """Too many requests; ask again later."""

    status = 429
    retryable = True


class TooManyStreams(RateLimited):
    """Too many streams are open at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationLimits:
    """Per minute where nothing else is said; None is no limit."""

    requests: int | None = None
    chats: int | None = None
    searches: int | None = None
    uploads: int | None = None
    agent_chats: int | None = None
    address_requests: int | None = None
    address_chats: int | None = None
    organization_requests: int | None = None
    open_streams: int | None = None
    organization_open_streams: int | None = None


DEFAULTS = OrganizationLimits(
    requests=120,
    chats=30,
    searches=60,
    uploads=20,
    agent_chats=600,
    address_requests=360,
    address_chats=60,
    organization_requests=2400,
    open_streams=10,
    organization_open_streams=100,
)


class LimitsSource(Protocol):
    """Says which limits an organization has."""

    async def limits_of(self, organization_id: OrganizationId) -> OrganizationLimits:
        """Those that it was given, else the defaults."""
        ...


# What is dearer than reading a row has a limit of its own beside that for all requests.
_DEAR = {
    ("POST", "/api/v2/agents/{agent_id}/chat"): "chats",
    ("POST", "/api/v2/agents/{agent_id}/chat/stream"): "chats",
    ("POST", "/api/v2/knowledge/search"): "searches",
    ("POST", "/api/v2/knowledge/upload"): "uploads",
    ("POST", "/api/v2/knowledge/documents"): "uploads",
    ("POST", "/api/v2/knowledge/preview"): "uploads",
}


@dataclass(slots=True)
class Standing:
    """What the limits have said of one request; its response shows it."""

    parts: list[tuple[str, Rate, Decision]] = field(
        default_factory=list[tuple[str, Rate, Decision]]
    )

    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy`."""
        if not self.parts:
            return {}
        policies = [f'"{name}";q={r.capacity};w={int(r.per_s)}' for name, r, _ in self.parts]
        left = [f'"{n}";r={d.remaining};t={math.ceil(d.reset_s)}' for n, _, d in self.parts]
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


class Limits:
    """Counts requests of callers, and of addresses that show no valid credential."""

    def __init__(self, limiter: Limiter, source: LimitsSource, *, failures_per_minute: int) -> None:
        self._limiter, self._source = limiter, source
        self._failures = Rate(failures_per_minute, MINUTE_S)

    async def take(
        self, caller: Caller, *, method: str, route: str, agent_id: str, address: str
    ) -> Standing:
        """Count a request of a caller; what is over a limit counts for nothing, in no bucket.

        Raises:
            RateLimited: it is over a limit.
        """
        limits = await self._source.limits_of(caller.organization_id)
        dear = _DEAR.get((method, route))
        of_organization = str(caller.organization_id)
        places = [(f"{of_organization}:{_person(caller)}", "")]
        if caller.visitor is not None and address:
            # Whoever wants to be many visitors is still one address.
            places.append((f"{of_organization}:{address}", "address_"))
        wanted = [
            (f"{prefix}{kind}:{who}", f"{prefix}{kind}", getattr(limits, prefix + kind, None))
            for who, prefix in places
            for kind in ("requests", dear)
            if kind is not None
        ]
        if dear == "chats" and agent_id:
            wanted.append((f"agent:{of_organization}:{agent_id}", "agent", limits.agent_chats))
        key = f"organization:{of_organization}"
        wanted.append((key, "organization", limits.organization_requests))
        return await self._take(
            {
                name: Wanted(key, Rate(capacity, MINUTE_S))
                for key, name, capacity in wanted
                if capacity is not None
            }
        )

    async def of(self, caller: Caller) -> OrganizationLimits:
        """The limits that hold for a caller's organization."""
        return await self._source.limits_of(caller.organization_id)

    async def take_anonymous(self, address: str, *, what: str) -> Standing:
        """Count a request that needs no credential.

        Raises:
            RateLimited: too many came from there.
        """
        return await self._take({what: Wanted(f"{what}:{address}", ANONYMOUS)})

    async def note_missing(self, address: str) -> None:
        """Count a request without a credential, or with one that may do nothing here.

        Raises:
            RateLimited: somebody only wants to keep us busy.
        """
        await self._take({"anonymous": Wanted(f"missing:{address}", WITHOUT_CREDENTIAL)})

    async def note_failure(self, address: str) -> None:
        """Count a credential that was not valid.

        Raises:
            RateLimited: somebody is guessing.
        """
        await self._take({"failures": Wanted(f"failures:{address}", self._failures)})

    async def _take(self, wanted: Mapping[str, Wanted]) -> Standing:
        decisions = await self._limiter.take_all(list(wanted.values()))
        standing = Standing(
            [
                (name, one.rate, decision)
                for (name, one), decision in zip(wanted.items(), decisions, strict=True)
            ]
        )
        for name, rate, decision in standing.parts:
            if not decision.allowed:
                wait_s = max(1, math.ceil(decision.retry_after_s))
                raise RateLimited(
                    f"The limit `{name}` is {rate.capacity} a minute; ask again in {wait_s} s.",
                    headers={"Retry-After": str(wait_s), **standing.headers()},
                    limit=name,
                )
        return standing

    @asynccontextmanager
    async def stream(self, caller: Caller) -> AsyncGenerator[None]:
        """One place for an open stream, held meanwhile.

        Raises:
            TooManyStreams: the caller, or its organization, has none left.
        """
        limits = await self._source.limits_of(caller.organization_id)
        organization = f"streams:{caller.organization_id}"
        places = (
            (f"{organization}:{_person(caller)}", limits.open_streams),
            (organization, limits.organization_open_streams),
        )
        holder = new_id()
        held: list[str] = []
        try:
            for key, capacity in places:
                if capacity is None:
                    continue
                if not await self._limiter.hold(
                    key, holder, capacity=capacity, lease_s=STREAM_LEASE_S
                ):
                    raise TooManyStreams(
                        f"At most {capacity} may be open; close one, or wait.",
                        headers={"Retry-After": "5"},
                    )
                held.append(key)
            yield
        finally:
            for key in held:
                await self._limiter.let_go(key, holder)


def _person(caller: Caller) -> str:
    visitor = caller.visitor
    return caller.actor if visitor is None else f"{visitor.widget_key_id}:{caller.actor}"


# Not a plain function: that would be run in a thread.
async def limits_of(request: Request) -> Limits:
    """The limits of this service."""
    return cast("Limits", request.app.state.limits)


ServiceLimits = Annotated[Limits, Depends(limits_of)]
