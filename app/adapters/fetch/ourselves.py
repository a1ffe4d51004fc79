"""What is the service's own and never called for a user: itself, its database, its Redis."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

import psutil

from app.adapters.fetch.deny_list import Address, read_address
from app.adapters.fetch.reach import Reach
from app.adapters.fetch.resolver import Resolver
from app.adapters.fetch.urls import Target
from app.core.settings import Settings
from app.ports.fetch import AddressRefused, FetchFailed

INTERFACES_KEPT_S = 30.0
OURS = "This address is the service's own."
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class OwnPlaces:
    """A host is ours at every port, an endpoint at its own; `port` is where we listen."""

    hosts: frozenset[str] = frozenset()
    endpoints: frozenset[Endpoint] = frozenset()
    port: int = 0


def own_places(settings: Settings) -> OwnPlaces:
    """What the settings tell."""
    public = urlsplit(settings.public_url)
    host = (public.hostname or "").removesuffix(".")
    endpoints = set(_database(settings)) | set(_redis(settings))
    hosts: set[str] = set()
    if _is_literal(host) or host == "localhost":
        endpoints.add((host, public.port or (443 if public.scheme == "https" else 80)))
    else:
        hosts.add(host)
    return OwnPlaces(frozenset(hosts), frozenset(endpoints), settings.port)


def _database(settings: Settings) -> Iterable[Endpoint]:
    if settings.database_url is None:
        return
    parts = urlsplit(settings.database_url.get_secret_value())
    options = parse_qs(parts.query)
    hosts = options.get("host", [parts.netloc.rpartition("@")[2]])[0].split(",")
    ports = options.get("port", ["5432"])[0].split(",")
    for number, place in enumerate(hosts):
        host, colon, port = place.rpartition(":")
        if not colon or place.endswith("]"):
            host, port = place, ports[min(number, len(ports) - 1)]
        if host and not unquote(host).startswith("/"):
            yield host.strip("[]").lower(), int(port) if port.isdigit() else 5432


def _redis(settings: Settings) -> Iterable[Endpoint]:
    if settings.redis_url is None:
        return
    parts = urlsplit(settings.redis_url.get_secret_value())
    if parts.hostname:
        yield parts.hostname, parts.port or 6379


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Ourselves:
    """Refuses our own places, by name and by address."""

    def __init__(self, places: OwnPlaces, resolver: Resolver) -> None:
        self._places = places
        self._resolver = resolver
        self._interfaces: tuple[float, frozenset[Address]] = (float("-inf"), frozenset())

    def admit(self, target: Target) -> None:
        """What can be told without a look-up.

        Raises:
            AddressRefused: it is ours.
        """
        place = (target.host.strip("[]"), target.port)
        if target.host in self._places.hosts or place in self._places.endpoints:
            raise AddressRefused(OURS)

    async def check(self, target: Target, addresses: Sequence[Address], reach: Reach) -> None:
        """Whether none of a target's addresses is ours.

        Raises:
            AddressRefused: one is.
        """
        interfaces = self._own_addresses()
        for address in addresses:
            is_here = address in interfaces or address.is_loopback or address.is_unspecified
            # What the operator has allowed by its network may be on this machine; not ourselves.
            if is_here and (
                not reach.is_allowed_private(address) or target.port == self._places.port
            ):
                raise AddressRefused(OURS)
        for host in [host for host, port in self._places.endpoints if port == target.port]:
            if not set(addresses).isdisjoint(await self._known(host)):
                raise AddressRefused(OURS)

    async def _known(self, host: str) -> tuple[Address, ...]:
        if _is_literal(host):
            return (read_address(host),)
        try:
            return await self._resolver.addresses(host)
        except (FetchFailed, AddressRefused):
            return ()

    def _own_addresses(self) -> frozenset[Address]:
        if time.monotonic() - self._interfaces[0] > INTERFACES_KEPT_S:
            found = [
                each.address.partition("%")[0]
                for interface in psutil.net_if_addrs().values()
                for each in interface
            ]
            addresses = frozenset(read_address(text) for text in found if _is_literal(text))
            self._interfaces = (time.monotonic(), addresses)
        return self._interfaces[1]
