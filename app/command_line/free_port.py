"""Whether the service can listen, found out before a database is opened or migrated."""

import errno
import os
import socket
from typing import Any

ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def require_free_port(host: str, port: int) -> None:
    """Return where the server will be able to listen; it binds for itself once all is open.

    Raises:
        SystemExit: it will not; the message names HOST and PORT.
    """
    try:
        _try_each(host, port)
    except OSError as error:
        raise SystemExit(
            f"The service cannot start: it cannot listen at port {port} (PORT) of {host} (HOST):"
            f" {error.strerror}. {_advice(error)}"
        ) from None


def _try_each(host: str, port: int) -> None:
    """Bind at each address of the host, but those of a family that this machine lacks."""
    absent: OSError | None = None
    bound = 0
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in found:
        try:
            _bind(socket.socket(family, kind, protocol), address)
            bound += 1
        except OSError as error:
            if error.errno not in ABSENT:
                raise
            absent = error
    if absent is not None and not bound:
        raise absent


def _bind(listener: socket.socket, address: tuple[Any, ...]) -> None:
    # As the server's own sockets have it; without, a port that lingers would be refused here.
    with listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "Stop the process that listens there, or set another PORT."
    if error.errno == errno.EACCES:
        return "Set a PORT of 1024 or more, or let this user listen below."
    return "Set HOST to an address of this machine; 0.0.0.0 is all of them."
