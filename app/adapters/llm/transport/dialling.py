"""Opens a TCP connection to whichever address of a host answers first (RFC 8305)."""

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any

# How long an address is tried alone before the next one is tried beside it.
HEAD_START_S = 0.25

Address = tuple[int, int, int, Any]


async def reached(host: str, port: int) -> socket.socket:
    """A connected socket that does not block.

    Raises:
        OSError: nobody answers at any address, or the name has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = _alternating([(family, kind, proto, to) for family, kind, proto, _, to in found])
    if len(addresses) == 1:
        return await _connected(addresses[0])
    return await first_of(addresses)


def _alternating(addresses: list[Address]) -> list[Address]:
    """In the order given, but the families by turns: all of one may lead nowhere."""
    if not addresses:
        raise OSError("the name has no address")
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [a for a in chain.from_iterable(zip_longest(first, others)) if a is not None]


async def _connected(address: Address) -> socket.socket:
    family, kind, proto, to = address
    connection = socket.socket(family, kind, proto)
    try:
        connection.setblocking(False)
        # A request in two packets would wait for the first one's confirmation.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, to)
    except BaseException:
        connection.close()
        raise
    return connection


async def first_of(addresses: list[Address]) -> socket.socket:
    """Whoever answers first; each is tried a little after the one before.

    Raises:
        OSError: nobody answers.
    """
    trying: set[asyncio.Future[socket.socket]] = set()
    failure: BaseException | None = None
    left = list(addresses)
    try:
        while left or trying:
            if left:
                trying.add(asyncio.ensure_future(_connected(left.pop(0))))
            done, _ = await asyncio.wait(
                trying,
                timeout=HEAD_START_S if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                trying.discard(attempt)
                failure = attempt.exception()
                if failure is None:
                    return attempt.result()
        raise failure or OSError("nobody answered")
    finally:
        for attempt in trying:
            _give_up(attempt)


def _give_up(attempt: "asyncio.Future[socket.socket]") -> None:
    def close(ended: "asyncio.Future[socket.socket]") -> None:
        if not ended.cancelled() and ended.exception() is None:
            ended.result().close()

    attempt.cancel()
    attempt.add_done_callback(close)
