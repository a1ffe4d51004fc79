"""Where a request comes from, as far as that can be known.

`X-Forwarded-For` is written by anyone. It counts only as far as our own proxies (TRUSTED_PROXIES)
have added to it: read from the right, the first address that is none of theirs is the client's.
Where the proxies write the client's address into a header of its own, whatever the client sent
(CLIENT_ADDRESS_HEADER), that one counts and no other.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from app.web.connections import peer_of

Networks = tuple[IPv4Network | IPv6Network, ...]
FORWARDED_FOR = "x-forwarded-for"
MAX_HOPS = 20
HOST_BITS_V6 = 64


def client_address(scope: Scope, trusted: Networks, header: str = FORWARDED_FOR) -> str:
    """The client's address, or "" where it cannot be told (as over a socket in a folder)."""
    peer = peer_of(scope)
    if not trusted or not _is_among(peer, trusted):
        return peer
    written = Headers(scope=scope).getlist(header)
    if header.lower() != FORWARDED_FOR:
        # Twice, one of them is not the proxy's.
        only = written[0].strip() if len(written) == 1 else ""
        return peer if _read(only) is None else only
    listed = ",".join(written).split(",")
    nearest = peer
    for hop in _last_first(listed):
        if _read(hop) is None:
            break
        nearest = hop
        if not _is_among(hop, trusted):
            break
    return nearest


def _last_first(listed: list[str]) -> Iterable[str]:
    for text in reversed(listed[-MAX_HOPS:]):
        hop = text.strip()
        if hop.startswith("["):
            hop = hop[1:].partition("]")[0]
        elif hop.count(":") == 1:
            hop = hop.partition(":")[0]
        yield hop


@lru_cache(maxsize=4096)
def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_among(text: str, networks: Networks) -> bool:
    address = _read(text)
    return address is not None and any(address in network for network in networks)


def counted_as(address: str) -> str:
    """What limits count: an IPv4 address, or the /64 that one IPv6 customer has whole."""
    read = _read(address)
    if isinstance(read, IPv6Address):
        mapped = read.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ip_network((int(read) >> HOST_BITS_V6 << HOST_BITS_V6, HOST_BITS_V6)))
    return address
