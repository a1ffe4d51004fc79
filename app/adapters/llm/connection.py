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

from app.adapters.llm.remote import RemoteProvider
from app.adapters.llm.vendor import Vendor
from app.core.settings import Settings, SettingsInvalid
from app.ports.llm import Conduct, ProviderAdapter

MAX_CONNECTIONS = 1000
KEPT_CONNECTIONS = 100


def adapter(vendor: Vendor) -> ProviderAdapter:
    """The vendor as the registry lists it."""
    return ProviderAdapter(vendor.name, partial(open_vendor, vendor), vendor.wire)


@asynccontextmanager
async def open_vendor(
    vendor: Vendor, settings: Settings, conduct: Conduct
) -> AsyncGenerator[RemoteProvider]:
    """The provider as the environment sets it up; otherwise nothing is imported or opened.

    Raises:
        SettingsInvalid: its address is none.
    """
    if settings.provider_variable(vendor.required_variable) is None:
        yield RemoteProvider(vendor, None, conduct)
        return
    address = _address(vendor, settings)
    # The import takes from half a second to two: in a thread, while the service starts.
    client = asyncio.get_running_loop().run_in_executor(
        None, _client, vendor, address, settings, conduct
    )
    try:
        yield RemoteProvider(vendor, client, conduct)
    finally:
        await asyncio.wait([client])
        if client.exception() is None:
            await client.result().close()


def _client(vendor: Vendor, address: str, settings: Settings, conduct: Conduct) -> Any:
    """The SDK's client over a connection pool of its own; closing it closes both."""
    sdk = importlib.import_module(vendor.dialect.sdk)
    # Silence is measured in `attempt`; the SDK's own retries would multiply it.
    timeout = httpx2.Timeout(None, connect=conduct.connect_s)
    limits = httpx2.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS
    )
    http = httpx2.AsyncClient(
        verify=_trust(),
        limits=limits,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        # Compressed, a stream comes later and in larger pieces.
        headers={"accept-encoding": "identity"},
    )
    return vendor.dialect.client(
        sdk,
        api_key=settings.provider_variable(vendor.wire.key_variable),
        base_url=address,
        http_client=http,
        max_retries=0,
        timeout=timeout,
    )


def _address(vendor: Vendor, settings: Settings) -> str:
    variable = vendor.wire.base_url_variable
    given = settings.provider_variable(variable) or vendor.base_url or ""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsInvalid(f"{variable} must begin with http:// or https:// and name a host.")
    return given if parts.path.strip("/") else given.rstrip("/") + vendor.default_path


# Reading the system's certificates takes 20 ms: once for all providers.
_trust: Callable[[], SSLContext] = cache(httpx2.create_ssl_context)
