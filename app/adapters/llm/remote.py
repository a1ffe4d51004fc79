"""A provider over HTTP: when it is asked again, when it is left alone, how it is set up."""

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from ssl import SSLContext
from typing import Any, ClassVar, Protocol

import httpx2

from app.adapters.llm.answer import Answer, AnswerReader, Take
from app.adapters.llm.attempt import attempt
from app.adapters.llm.breaker import Breaker
from app.adapters.llm.failures import Faults
from app.core.settings import Settings
from app.ports.llm import (
    ChatEvent,
    ChatRequest,
    Conduct,
    DialectName,
    ProviderAdapter,
    ProviderDisconnected,
    ProviderFailed,
    ProviderNotConfigured,
    ProviderOverloaded,
    ProviderRateLimited,
    Usage,
    Wire,
)

MAX_CONNECTIONS = 1000
KEPT_CONNECTIONS = 100
UNKNOWN_WINDOW = 32_000
# Worth asking again. Whoever was silent for all of its time is not asked a second time.
ASKED_AGAIN = (ProviderRateLimited, ProviderOverloaded, ProviderDisconnected)


class Dialect(Protocol):
    """How a provider is asked and how its answer is read."""

    name: ClassVar[DialectName]
    # The module whose request path is used; imported when a provider is set up.
    sdk: ClassVar[str]

    @property
    def faults(self) -> Faults: ...

    def client(self, sdk: Any, **options: Any) -> Any:
        """The SDK's client; `options` are those that all SDKs take."""
        ...

    def call(self, client: Any, request: ChatRequest) -> AbstractAsyncContextManager[Any]:
        """A request that is sent when it is entered, and its response without a parsed body."""
        ...

    def begin(self, answer: Answer) -> Take:
        """A reader for one answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """Somebody who serves models over HTTP."""

    name: str
    dialect: Dialect
    # None for what runs where only the operator knows; it is set up by its address.
    base_url: str | None
    needs_key: bool = True
    # Added to an address that has no path, as people know these servers by their port alone.
    default_path: str = ""
    own_names: re.Pattern[str] | None = None
    # Tokens, by the beginning of the name; the longest beginning holds.
    windows: Mapping[str, int] = field(default_factory=dict[str, int])
    unknown_window: int = UNKNOWN_WINDOW

    @property
    def wire(self) -> Wire:
        prefix = self.name.upper()
        return Wire(self.dialect.name, f"{prefix}_BASE_URL", f"{prefix}_API_KEY")

    @property
    def required_variable(self) -> str:
        return self.wire.key_variable if self.needs_key else self.wire.base_url_variable

    def adapter(self) -> ProviderAdapter:
        """The vendor as the registry lists it."""
        return ProviderAdapter(self.name, partial(open_vendor, self), self.wire)


class RemoteProvider:
    """One vendor with one key."""

    def __init__(self, vendor: Vendor, client: Any, conduct: Conduct) -> None:
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
        if not self.is_configured:
            raise ProviderNotConfigured(f"Set {self.required_variable}.")
        with self._breaker.call() as call:
            # A loop alone would leave the inner generators, and with them the socket, to the
            # collector.
            async with aclosing(self._attempts(request)) as events:
                async for event in events:
                    if not isinstance(event, Usage):
                        call.began()
                    yield event

    async def _attempts(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        conduct, clock = self._conduct, self._conduct.clock
        remaining_s = conduct.first_token_s
        tried = 0
        while True:
            started_s = clock.monotonic_s()
            has_begun = False
            try:
                async with aclosing(self._attempt(request, remaining_s)) as events:
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

    def _attempt(self, request: ChatRequest, first_token_s: float) -> AsyncGenerator[ChatEvent]:
        dialect = self._vendor.dialect
        return attempt(
            dialect.call(self._client, request),
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


@asynccontextmanager
async def open_vendor(
    vendor: Vendor, settings: Settings, conduct: Conduct
) -> AsyncGenerator[RemoteProvider]:
    """The provider as the environment sets it up; otherwise nothing is imported or opened."""
    if settings.provider_variable(vendor.required_variable) is None:
        yield RemoteProvider(vendor, None, conduct)
        return
    # Off the loop and before the first request: the import takes half a second and more.
    sdk = await asyncio.to_thread(importlib.import_module, vendor.dialect.sdk)
    trust = await asyncio.to_thread(_trust)
    # Silence is measured in `attempt`; the SDK's own retries would multiply it.
    timeout = httpx2.Timeout(None, connect=conduct.connect_s)
    limits = httpx2.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS
    )
    async with httpx2.AsyncClient(
        verify=trust,
        limits=limits,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        # Compressed, a stream comes later and in larger pieces.
        headers={"accept-encoding": "identity"},
    ) as http:
        client = vendor.dialect.client(
            sdk,
            api_key=settings.provider_variable(vendor.wire.key_variable),
            base_url=_address(vendor, settings),
            http_client=http,
            max_retries=0,
            timeout=timeout,
        )
        yield RemoteProvider(vendor, client, conduct)


def _address(vendor: Vendor, settings: Settings) -> str:
    given = settings.provider_variable(vendor.wire.base_url_variable) or vendor.base_url or ""
    has_path = httpx2.URL(given).path.strip("/")
    return given if has_path else given.rstrip("/") + vendor.default_path


# Reading the system's certificates takes 20 ms: once for all providers.
_trust: Callable[[], SSLContext] = cache(httpx2.create_ssl_context)
