"""The only HTTP client for addresses that a user gave."""

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import certifi

from app.adapters.fetch.answer import AnswerReader
from app.adapters.fetch.connection import ClosedUnanswered, Connection, dial
from app.adapters.fetch.deny_list import Address
from app.adapters.fetch.headers import METHODS, check_headers, written
from app.adapters.fetch.hosts import Unfit
from app.adapters.fetch.ourselves import Ourselves, OwnPlaces, own_places
from app.adapters.fetch.pool import KEPT_S, Pool
from app.adapters.fetch.reach import Reach
from app.adapters.fetch.redirects import is_redirect, onward
from app.adapters.fetch.resolver import Resolver
from app.adapters.fetch.urls import Target, read_url
from app.core.settings import Settings
from app.ports.fetch import (
    AddressRefused,
    Answered,
    Fetch,
    FetchTimedOut,
    HeadersRefused,
    Outgoing,
    RedirectRefused,
)

# A server may have acted on what it did not answer, whatever the method promises of a second time.
_REPEATABLE = ("GET", "HEAD", "OPTIONS")
# Servers keep an idle connection for 5 s or longer. Closer to that, a request could meet its end,
# and one that is not repeatable would be lost without anybody knowing whether it took effect.
_KEPT_FOR_OTHERS_S = 2.0
# Before the request as a whole is given up.
_CUT_EARLIER_S = 0.05


class GuardedFetch:
    """`ports.fetch.Fetch`: resolves, checks, pins, and checks again while connecting."""

    def __init__(
        self,
        *,
        reach: Reach,
        places: OwnPlaces,
        resolver: Resolver,
        trust: ssl.SSLContext,
    ) -> None:
        self._reach = reach
        self._resolver = resolver
        self._ourselves = Ourselves(places, resolver)
        self._trust = trust
        self._pool = Pool()

    def canonical(self, url: str) -> str:
        return self._admitted(url).url

    def check_headers(self, headers: Mapping[str, str]) -> None:
        check_headers(headers)

    async def send(self, request: Outgoing) -> Answered:
        if request.method not in METHODS:
            raise HeadersRefused(f"The method is none of {', '.join(METHODS)}.")
        check_headers(request.headers)
        target = self._admitted(request.url)
        until = asyncio.get_running_loop().time() + request.total_s
        try:
            async with asyncio.timeout_at(until):
                return await self._follow(target, request, until)
        except TimeoutError:
            raise FetchTimedOut(f"No whole answer came within {request.total_s:g} s.") from None

    def close(self) -> None:
        """Close the connections that are kept for the next requests."""
        self._pool.close()

    def _admitted(self, url: str) -> Target:
        try:
            target = read_url(url)
        except Unfit as unfit:
            raise AddressRefused(f"The address {unfit}.") from None
        return self._admit(target)

    def _admit(self, target: Target) -> Target:
        self._ourselves.admit(target)
        self._reach.admit(target)
        return target

    async def _follow(self, target: Target, request: Outgoing, until: float) -> Answered:
        followed = 0
        while True:
            answer = await self._exchange(target, request, until)
            if not request.redirects or not is_redirect(answer):
                return answer
            if followed == request.redirects:
                raise RedirectRefused("The server redirects more often than is followed.")
            followed += 1
            target, request = onward(target, request, answer)
            self._admit(target)

    async def _exchange(self, target: Target, request: Outgoing, until: float) -> Answered:
        addresses = await self._pinned(target)
        is_repeatable = request.method in _REPEATABLE
        kept = self._pool.take(
            target, addresses, max_idle_s=KEPT_S if is_repeatable else _KEPT_FOR_OTHERS_S
        )
        if kept is not None:
            try:
                return await self._answer(kept, target, request, until)
            except ClosedUnanswered:
                if not is_repeatable:
                    raise
        fresh = await dial(target, addresses, check=self._reach.check, trust=self._trust)
        return await self._answer(fresh, target, request, until)

    async def _pinned(self, target: Target) -> tuple[Address, ...]:
        """The addresses of the target, looked up once and every one of them allowed."""
        if target.literal is not None:
            found = (target.literal,)
        else:
            found = await self._resolver.addresses(target.host)
        for address in found:
            self._reach.check(target, address)
        await self._ourselves.check(target, found, self._reach)
        return found

    async def _answer(
        self, connection: Connection, target: Target, request: Outgoing, until: float
    ) -> Answered:
        reader = AnswerReader(
            request.method, max_bytes=request.max_bytes, cuts_body=request.cuts_body
        )
        try:
            async with asyncio.timeout_at(until - _CUT_EARLIER_S if request.cuts_body else None):
                await connection.exchange(written(target, request), reader)
        except TimeoutError:
            if not reader.has_head:
                raise
            reader.cut()  # its head is the answer; the rest has taken too long
        self._pool.keep(connection)
        return Answered(
            status=reader.status,
            headers=reader.headers,
            content=reader.content,
            url=target.url,
            was_cut=reader.was_cut,
        )


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """What the system trusts, and what browsers do where the system comes without."""
    trust = ssl.create_default_context()
    trust.load_verify_locations(certifi.where())
    trust.set_alpn_protocols(["http/1.1"])
    return trust


@asynccontextmanager
async def open_fetch(
    settings: Settings,
    *,
    resolver: Resolver | None = None,
    trust: ssl.SSLContext | None = None,
) -> AsyncGenerator[Fetch]:
    """The client as the settings allow it; tests give it names and certificates of their own."""
    fetch = GuardedFetch(
        reach=Reach(
            ports=frozenset({443, *settings.outbound_allow_ports}),
            private=settings.outbound_allow_private_cidrs,
        ),
        places=own_places(settings),
        resolver=resolver or Resolver(),
        trust=trust or trusted_certificates(),
    )
    try:
        yield fetch
    finally:
        fetch.close()
