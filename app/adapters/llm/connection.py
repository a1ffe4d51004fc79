"""Sets a vendor up as a provider: its SDK, its connections, its address and key."""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog

from app.adapters.llm.posting import Poster, Scribe
from app.adapters.llm.remote import RemoteProvider
from app.adapters.llm.transport.pool import Transport
from app.adapters.llm.vendor import Vendor
from app.core.bare_packages import leave_bare
from app.core.settings import Settings, SettingsInvalid
from app.ports.llm import Conduct, ProviderAdapter, ProviderDisconnected

MAX_CONNECTIONS = 4000
KEPT_CONNECTIONS = 100
log = structlog.get_logger(__name__)


def adapter(vendor: Vendor) -> ProviderAdapter:
    """The vendor as the registry lists it."""
    return ProviderAdapter(vendor.name, partial(open_vendor, vendor), vendor.wire)


@asynccontextmanager
async def open_vendor(
    vendor: Vendor, settings: Settings, conduct: Conduct
) -> AsyncGenerator[RemoteProvider]:
    """The provider as the environment sets it up; its SDK is loaded when it is first needed.

    Raises:
        SettingsInvalid: its address is none.
    """
    clients = Clients(vendor, settings, conduct)
    is_set_up = settings.provider_variable(vendor.required_variable) is not None
    if is_set_up:
        _address(vendor, settings)  # a wrong one is told now, not to the first who chats
    try:
        key = settings.provider_variable(vendor.wire.key_variable)
        yield RemoteProvider(vendor, clients.by_key, conduct, key=key, is_set_up=is_set_up)
    finally:
        await clients.close()


class Clients:
    """The SDK's clients of one vendor, by key, over one connection pool."""

    def __init__(self, vendor: Vendor, settings: Settings, conduct: Conduct) -> None:
        self._vendor, self._settings = vendor, settings
        # Silence is measured in `attempt`; the SDK's own retries would multiply it.
        self._timeout = httpx2.Timeout(None, connect=conduct.connect_s)
        self._address = ""
        self._opened: asyncio.Future[tuple[Any, Transport]] | None = None

    def begin(self) -> asyncio.Future[tuple[Any, Transport]]:
        """The SDK and the pool; the import takes from half a second to two, so in a thread.

        Raises:
            SettingsInvalid: the vendor's address is none.
        """
        # What failed for want of file descriptors or memory is tried again by the next who asks.
        if self._opened is None or _has_failed(self._opened):
            loop = asyncio.get_running_loop()
            self._address = _address(self._vendor, self._settings)
            self._opened = loop.run_in_executor(None, self._open)
        return self._opened

    async def by_key(self, key: str | None) -> Poster:
        """What posts requests that show this key.

        Raises:
            ProviderDisconnected: it could not be set up at this moment.
        """
        try:
            sdk, wire = await asyncio.shield(self.begin())
        except OSError as error:
            log.warning("provider_not_set_up", provider=self._vendor.name, error=str(error))
            raise ProviderDisconnected from error
        return Poster(self._client(sdk, key), wire)

    async def close(self) -> None:
        """Close the connections of all of them."""
        if self._opened is None:
            return
        await asyncio.wait([self._opened])
        if self._opened.exception() is None:
            await self._opened.result()[1].aclose()

    def _open(self) -> tuple[Any, Transport]:
        dialect = self._vendor.dialect
        leave_bare(*dialect.bare)
        sdk = importlib.import_module(dialect.sdk)
        wire = Transport(_trust(), max_connections=MAX_CONNECTIONS, kept=KEPT_CONNECTIONS)
        # The first client imports the rest of the SDK, which would hold up the loop.
        self._client(sdk, "none")
        return sdk, wire

    def _client(self, sdk: Any, key: str | None) -> Any:
        # Compressed, a stream comes later and in larger pieces.
        scribe = httpx2.AsyncClient(
            transport=Scribe(), headers={"accept-encoding": "identity"}, trust_env=False
        )
        return self._vendor.dialect.client(
            sdk,
            api_key=key,
            base_url=self._address,
            http_client=scribe,
            max_retries=0,
            timeout=self._timeout,
        )


def _has_failed(opened: asyncio.Future[Any]) -> bool:
    return opened.done() and (opened.cancelled() or opened.exception() is not None)


def _address(vendor: Vendor, settings: Settings) -> str:
    variable = vendor.wire.base_url_variable
    given = settings.provider_variable(variable) or vendor.base_url or ""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsInvalid(f"{variable} must begin with http:// or https:// and name a host.")
    return given if parts.path.strip("/") else given.rstrip("/") + vendor.default_path


# Reading the system's certificates takes 20 ms: once for all providers.
_trust: Callable[[], SSLContext] = cache(httpx2.create_ssl_context)
