"""Host names and addresses in one spelling; whatever could be read in two ways is refused."""

import re
import unicodedata

import idna

from app.adapters.fetch.deny_list import Address, read_address

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED_QUAD = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_TO_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class Unfit(ValueError):
    """The text is no address that could be called; the message says why, without repeating it."""


def canonical_host(text: str) -> tuple[str, Address | None]:
    """The host in its one spelling, and its address if it is written as one.

    Raises:
        Unfit: it is no host, or one that programs read differently.
    """
    if text.startswith("["):
        return _ipv6(text)
    host = text.translate(_TO_LOWER)
    if not host.isascii():
        host = _international(host)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unfit("has a host that is none")
    # Other programs take `127.1`, `2130706433`, `0x7f.1` and `0177.0.0.1` for 127.0.0.1.
    if _NUMERIC.fullmatch(labels[-1]):
        return _ipv4(host)
    if any(label.startswith("xn--") for label in labels):
        _check_encoded(host)
    return host, None


def _ipv4(host: str) -> tuple[str, Address]:
    if not _DOTTED_QUAD.fullmatch(host):
        raise Unfit("has an IP address that is not four decimal numbers")
    try:
        return host, read_address(host)
    except ValueError:
        raise Unfit("has an IP address that is none") from None


def _ipv6(text: str) -> tuple[str, Address]:
    literal = text[1:-1]
    if not text.endswith("]") or "%" in literal or not literal.isascii():
        raise Unfit("has an IPv6 address that is none")
    try:
        address = read_address(literal)
    except ValueError:
        raise Unfit("has an IPv6 address that is none") from None
    if ":" not in literal:
        raise Unfit("has brackets around what is no IPv6 address")
    return (f"[{address}]" if address.version == 6 else str(address)), address


def _international(host: str) -> str:
    # What another program would first turn into ASCII (`①`, `。`, the Kelvin sign) is refused.
    if host != unicodedata.normalize("NFKC", host) or host != host.lower() or _has_odd_dot(host):
        raise Unfit("has a host with characters that can be read as others")
    try:
        return idna.encode(host, strict=True).decode("ascii")
    except idna.IDNAError:
        raise Unfit("has a host that is no international domain name") from None


def _has_odd_dot(host: str) -> bool:
    return any(dot in host for dot in "\u3002\uff0e\uff61")


def _check_encoded(host: str) -> None:
    try:
        idna.decode(host, strict=True)
    except idna.IDNAError:
        raise Unfit("has a host that is no international domain name") from None
