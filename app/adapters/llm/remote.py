"""A provider over HTTP: when it is asked again and when it is left alone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

from app.adapters.llm.answer import AnswerReader
from app.adapters.llm.attempt import attempt
from app.adapters.llm.breaker import Breaker
from app.adapters.llm.posting import Poster
from app.adapters.llm.vendor import Vendor
from app.ports.llm import (
    CATALOGUE,
    ChatEvent,
    ChatRequest,
    Conduct,
    ProviderDisconnected,
    ProviderFailed,
    ProviderNotConfigured,
    ProviderOverloaded,
    ProviderRateLimited,
    Usage,
)

Connect = Callable[[str | None], Awaitable[Poster]]
# Worth asking again. Whoever was silent for all of its time is not asked a second time.
ASKED_AGAIN = (ProviderRateLimited, ProviderOverloaded, ProviderDisconnected)


# Providers by keys of organizations that this process remembers; what fell out is made anew.
MAX_KEYS = 1000


class RemoteProvider:
    """One vendor with one key; `connect` makes what posts with a key."""

    def __init__(
        self,
        vendor: Vendor,
        connect: Connect,
        conduct: Conduct,
        *,
        key: str | None,
        is_set_up: bool,
    ) -> None:
        self.name = vendor.name
        self.required_variable = vendor.required_variable
        self.is_configured = is_set_up
        self._vendor = vendor
        self._connect, self._key = connect, key
        self._poster: Poster | None = None
        self._conduct = conduct
        self._by_key: dict[str, RemoteProvider] = {}
        self._breaker = Breaker(conduct.clock, rest_s=conduct.rest_s)

    def recognises(self, model: str) -> bool:
        names = self._vendor.own_names
        return names is not None and names.fullmatch(model) is not None

    def context_window(self, model: str) -> int:
        return CATALOGUE.window(self.name, model) or self._vendor.unknown_window

    async def prepare(self) -> None:
        if self.is_configured:
            with suppress(ProviderFailed):
                await self._connected()

    def by_key(self, key: str) -> "RemoteProvider":
        known = self._by_key.pop(key, None)
        if known is None:
            known = RemoteProvider(
                self._vendor, self._connect, self._conduct, key=key, is_set_up=True
            )
        self._by_key[key] = known
        if len(self._by_key) > MAX_KEYS:
            del self._by_key[next(iter(self._by_key))]
        return known

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        if not self.is_configured:
            raise ProviderNotConfigured(f"Set {self.required_variable}.")
        poster = self._poster or await self._connected()
        with self._breaker.call() as call:
            # A loop alone would leave the inner generators, and with them the socket, to the
            # collector.
            async with aclosing(self._attempts(poster, request)) as events:
                async for event in events:
                    if not isinstance(event, Usage):
                        call.began()
                    yield event

    async def _connected(self) -> Poster:
        self._poster = await self._connect(self._key)
        return self._poster

    async def _attempts(self, poster: Poster, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        conduct, clock = self._conduct, self._conduct.clock
        remaining_s = conduct.first_token_s
        tried = 0
        before = used = Usage(0, 0)
        while True:
            started_s = clock.monotonic_s()
            has_begun = False
            reader = AnswerReader(self._vendor.dialect.begin)
            try:
                async with aclosing(self._attempt(poster, request, reader, remaining_s)) as events:
                    async for event in events:
                        if isinstance(event, Usage):
                            # With what the attempts before this one have used.
                            used = before + event
                            yield used
                            continue
                        if not has_begun:
                            has_begun = True
                            self._told("began", clock.monotonic_s() - started_s)
                        yield event
                return
            except ProviderFailed as failure:
                after_s = clock.monotonic_s() - started_s
                conduct.failed(self.name, failure.code())
                if not has_begun:
                    self._told(failure.code(), after_s)
                remaining_s -= after_s
                pause_s = _pause_s(failure, tried, conduct)
                # What the model has thought, or begun to call, is not seen but has to be paid.
                if reader.has_begun or pause_s is None or remaining_s <= 0:
                    raise
            tried += 1
            before = used
            await asyncio.sleep(pause_s)

    def _told(self, outcome: str, after_s: float) -> None:
        self._conduct.answered(self.name, outcome, after_s)

    def _attempt(
        self, poster: Poster, request: ChatRequest, reader: AnswerReader, first_token_s: float
    ) -> AsyncGenerator[ChatEvent]:
        dialect = self._vendor.dialect
        return attempt(
            dialect.call(poster, request),
            reader,
            dialect.faults,
            self._conduct,
            first_token_s=first_token_s,
        )


def _pause_s(failure: ProviderFailed, tried: int, conduct: Conduct) -> float | None:
    """How long to wait before the next attempt; None where there should be none."""
    if tried >= conduct.retries or not isinstance(failure, ASKED_AGAIN):
        return None
    spread_s = conduct.pause_s * 2**tried * (0.5 + conduct.chance())
    asked_s = failure.retry_after_s
    if asked_s is None:
        return spread_s
    return None if asked_s > conduct.longest_pause_s else asked_s + spread_s / 2
