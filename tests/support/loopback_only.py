"""No test connects to anything but this machine, not even by mistake."""

import socket
import ssl
import sys
from ipaddress import ip_address
from typing import Any

# For clients of services that speak no TLS: reading certificates takes 100 ms each time.
PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def guard() -> None:
    """From now on, whoever connects elsewhere fails at once; for the whole process.

    Where loopback is the only device there is nowhere else to go, and nothing is guarded.
    """
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        sys.addaudithook(refuse_elsewhere)


def refuse_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: fails a connection to another machine before it begins."""
    if event not in ("socket.connect", "socket.sendto"):
        return
    connection, address = arguments
    if connection.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
        raise AssertionError(f"a test would connect to {address[0]}: serve it on loopback")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
