"""One connection: dialled to a checked address, carrying one request at a time."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import cast

from app.adapters.fetch.answer import AnswerReader
from app.adapters.fetch.deny_list import Address, read_address
from app.adapters.fetch.urls import Target
from app.ports.fetch import (
    AddressRefused,
    AnswerBroken,
    CertificateInvalid,
    FetchFailed,
    FetchTimedOut,
    FetchUnreachable,
)

CONNECT_S = 5.0
TRIED_ADDRESSES = 4
_EARLIER_TRIES_S = 2.0


class ClosedUnanswered(AnswerBroken):
    """The other server closed the connection without an answer."""


class Connection(asyncio.Protocol):
    """A connection to `address` for `target`'s scheme, host and port, and for no other."""

    def __init__(self, target: Target, address: Address) -> None:
        self.key = (*target.origin, address)
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._reader: AnswerReader | None = None
        self._answered: asyncio.Future[None] | None = None
        self._is_usable = True

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._is_usable and self._transport is not None

    async def exchange(self, data: bytes, reader: AnswerReader) -> None:
        """Send a request and read its answer; closed unless it went well to the end.

        Raises:
            FetchFailed: one of its kinds.
        """
        if self._transport is None:
            raise ClosedUnanswered
        self._reader = reader
        self._answered = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(data)
            await self._answered
        except BaseException:
            self.close()
            raise
        finally:
            self._reader = self._answered = None
        if reader.leaves_connection_usable:
            self.idle_since = time.monotonic()
        else:
            self.close()

    def close(self) -> None:
        """Close at once; what was not sent is not sent."""
        self._is_usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._reader is None or self._reader.is_done:  # said without being asked
            self.close()
            return
        try:
            self._reader.feed(data)
        except FetchFailed as failure:
            self._settle(failure)
        else:
            if self._reader.is_done:
                self._settle(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_usable = False
        self._transport = None
        reader = self._reader
        if reader is None or reader.is_done:
            return
        if not reader.has_begun:
            self._settle(ClosedUnanswered())
        elif exc is not None:
            self._settle(AnswerBroken("The connection broke in the middle of the answer."))
        else:
            try:
                reader.end()
            except FetchFailed as failure:
                self._settle(failure)
            else:
                self._settle(None)

    def _settle(self, failure: FetchFailed | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if failure is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(failure)


async def dial(
    target: Target,
    addresses: Sequence[Address],
    *,
    check: Callable[[Target, Address], None],
    trust: ssl.SSLContext,
) -> Connection:
    """Connect to the first address that answers; each is checked at the moment of connecting.

    Raises:
        AddressRefused: `check` refuses one of them.
        FetchUnreachable: none takes the connection, or the certificate does not hold.
        FetchTimedOut: none does in time.
    """
    tried = addresses[:TRIED_ADDRESSES]
    failure: FetchFailed = FetchUnreachable("The server does not take connections.")
    try:
        async with asyncio.timeout(CONNECT_S):
            for address in tried:
                seconds = CONNECT_S if address is tried[-1] else _EARLIER_TRIES_S
                try:
                    async with asyncio.timeout(seconds):
                        return await _connect(target, address, check=check, trust=trust)
                except CertificateInvalid:
                    raise
                except FetchUnreachable as unreachable:
                    failure = unreachable
                except TimeoutError:
                    failure = FetchTimedOut("The server took too long to take the connection.")
    except TimeoutError:
        failure = FetchTimedOut("The server took too long to take the connection.")
    raise failure


async def _connect(
    target: Target,
    address: Address,
    *,
    check: Callable[[Target, Address], None],
    trust: ssl.SSLContext,
) -> Connection:
    check(target, address)
    loop = asyncio.get_running_loop()
    sock = socket.socket(
        socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM
    )
    try:
        sock.setblocking(False)
        # A literal, so that nothing is looked up a second time.
        await loop.sock_connect(sock, (str(address), target.port))
        if read_address(sock.getpeername()[0]) != address:
            raise AddressRefused("The connection leads to another address than was asked for.")
    except OSError:
        sock.close()
        raise FetchUnreachable("The server does not take connections.") from None
    except BaseException:
        sock.close()
        raise
    is_encrypted = target.scheme == "https"
    try:
        _, connection = await loop.create_connection(
            lambda: Connection(target, address),
            sock=sock,
            ssl=trust if is_encrypted else None,
            server_hostname=target.host.strip("[]") if is_encrypted else None,
            ssl_handshake_timeout=CONNECT_S if is_encrypted else None,
        )
    except ssl.SSLCertVerificationError:
        raise CertificateInvalid from None
    except (ssl.SSLError, OSError):
        raise FetchUnreachable("The server does not speak TLS as it should.") from None
    return connection
