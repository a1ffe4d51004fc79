"""Which IP addresses are on the public internet, by an explicit list; and which tell secrets."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `ipaddress` has verdicts of its own, but they are wrong for some ranges and differ between
# versions of Python: 100.64/10, 192.0.0.192, 2002::/16, fec0::/10. From it only parsing is taken.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier NAT, and Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and Oracle's older metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# Never called, whatever an operator allows: they hand out credentials to whoever asks.
_METADATA = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd00:42::42/128",
        "fd20:ce::254/128",
        "fe80::/10",
    )
)
# The forms whose last 32 bits are an IPv4 address.
_LAST_32 = tuple(
    IPv6Network(network)
    for network in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_MAPPED = _LAST_32[0]
_TRANSLATED = _LAST_32[3]
_LOCALLY_TRANSLATED = _LAST_32[4]
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)
_32_BITS = 0xFFFF_FFFF


def read_address(text: str) -> Address:
    """The address of a literal; one that is mapped into IPv6 is the IPv4 address that it is.

    Raises:
        ValueError: it is none.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address in _MAPPED:
        return IPv4Address(int(address) & _32_BITS)
    return address


def embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Every IPv4 address that a router or a tunnel could read out of it."""
    bits = int(address)
    found: list[int] = []
    if any(address in network for network in _LAST_32) or (bits >> 32) & _32_BITS in _ISATAP:
        found.append(bits & _32_BITS)
    if address in _LOCALLY_TRANSLATED:  # split around bits 64 to 71, by RFC 6052
        found.append(((bits >> 64) & 0xFFFF) << 16 | (bits >> 40) & 0xFFFF)
    if address in _6TO4:
        found.append((bits >> 80) & _32_BITS)
    if address in _TEREDO:  # its server, and its client with all bits turned
        found += [(bits >> 64) & _32_BITS, ~bits & _32_BITS]
    return tuple(IPv4Address(value) for value in found)


@lru_cache(maxsize=4096)
def is_public(address: Address) -> bool:
    """Whether it is a host of the public internet, whatever it is written as or leads to."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    inner = embedded(address)
    if address in _TRANSLATED:  # what DNS64 answers on networks without IPv4
        return is_public(inner[0])
    if address not in _PUBLIC_V6 or any(address in network for network in _NOT_PUBLIC_V6):
        return False
    return all(is_public(each) for each in inner)


@lru_cache(maxsize=4096)
def is_metadata(address: Address) -> bool:
    """Whether it is, or leads to, a service that hands out a machine's credentials."""
    candidates = (address, *(embedded(address) if isinstance(address, IPv6Address) else ()))
    return any(each in network for each in candidates for network in _METADATA)
