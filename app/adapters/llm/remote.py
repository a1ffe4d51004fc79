"""A provider over HTTP: when it is asked again and when it is left alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from app.adapters.llm.answer import AnswerReader
from app.adapters.llm.attempt import attempt
from app.adapters.llm.breaker import Breaker
from app.adapters.llm.vendor import Vendor
from app.ports.llm import (
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

# Worth asking again. Whoever was silent for all of its time is not asked a second time.
ASKED_AGAIN = (ProviderRateLimited, ProviderOverloaded, ProviderDisconnected)


class RemoteProvider:
    """One vendor with one key."""

    def __init__(
        self, vendor: Vendor, client: asyncio.Future[Any] | None, conduct: Conduct
    ) -> None:
        self.name = vendor.name
        self.required_variable = vendor.required_variable
        self.is_configured = client is not None
        self._vendor = vendor
        self._client = client
        self._conduct = conduct
        self._breaker = Breaker(conduct.clock, rest_s=conduct.rest_s)

    def recognises(self, model: str) -> bool:
        names = self._vendor.own_names
        return names is not None and names.fullmatch(model) is not None

    def context_window(self, model: str) -> int:
        windows = self._vendor.windows
        known = [start for start in windows if model.startswith(start)]
        return windows[max(known, key=len)] if known else self._vendor.unknown_window

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        if self._client is None:
            raise ProviderNotConfigured(f"Set {self.required_variable}.")
        client = await asyncio.shield(self._client)
        with self._breaker.call() as call:
            # A loop alone would leave the inner generators, and with them the socket, to the
            # collector.
            async with aclosing(self._attempts(client, request)) as events:
                async for event in events:
                    if not isinstance(event, Usage):
                        call.began()
                    yield event

    async def _attempts(self, client: Any, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        conduct, clock = self._conduct, self._conduct.clock
        remaining_s = conduct.first_token_s
        tried = 0
        while True:
            started_s = clock.monotonic_s()
            has_begun = False
            try:
                async with aclosing(self._attempt(client, request, remaining_s)) as events:
                    async for event in events:
                        # Some report what they have read before they write.
                        has_begun = has_begun or not isinstance(event, Usage)
                        yield event
                return
            except ASKED_AGAIN as failure:
                remaining_s -= clock.monotonic_s() - started_s
                pause_s = _pause_s(failure, tried, conduct)
                if has_begun or pause_s is None or remaining_s <= 0:
                    raise
            tried += 1
            await asyncio.sleep(pause_s)

    def _attempt(
        self, client: Any, request: ChatRequest, first_token_s: float
    ) -> AsyncGenerator[ChatEvent]:
        dialect = self._vendor.dialect
        return attempt(
            dialect.call(client, request),
            AnswerReader(dialect.begin),
            dialect.faults,
            self._conduct,
            first_token_s=first_token_s,
        )


def _pause_s(failure: ProviderFailed, tried: int, conduct: Conduct) -> float | None:
    """How long to wait before the next attempt; None where there should be none."""
    if tried >= conduct.retries:
        return None
    spread_s = conduct.pause_s * 2**tried * (0.5 + conduct.chance())
    asked_s = failure.retry_after_s
    if asked_s is None:
        return spread_s
    return None if asked_s > conduct.longest_pause_s else asked_s + spread_s / 2
