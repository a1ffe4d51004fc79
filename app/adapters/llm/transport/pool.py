"""The transport: requests over connections that are kept for the next one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import httpx2

from app.adapters.llm.transport.connection import Connection
from app.adapters.llm.transport.dialling import reached
from app.adapters.llm.transport.head import Head, Origin
from app.adapters.llm.transport.incoming import Incoming

IDLE_S = 5.0


class Body(httpx2.AsyncByteStream):
    """A response's body; closing it before its end closes the connection."""

    def __init__(self, incoming: Incoming, leave: Callable[[], None]) -> None:
        self._incoming = incoming
        self._leave: Callable[[], None] | None = leave
        # All that has come, waited for if need be; nothing where the body ends.
        self.read = incoming.read
        # The same, given to whom it is for as it comes.
        self.pour = incoming.pour

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self._incoming.is_whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read():
            yield chunk

    async def aclose(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Transport:
    """HTTP/1.1 without proxies; times out on connecting only, as `Silence` measures the rest.

    Every response has its `Body` as the extension `body`.
    """

    def __init__(self, trust: ssl.SSLContext, *, max_connections: int, kept: int) -> None:
        self._trust = trust
        self._kept = kept
        self._places = asyncio.Semaphore(max_connections)
        self._resting: dict[Origin, list[Connection]] = {}
        self._used: set[Connection] = set()

    async def post(self, head: Head, body: bytes) -> httpx2.Response:
        """The response, when its head has come.

        Raises:
            httpx2.TransportError: nobody could be reached, or the connection was lost.
        """
        message = head.with_body(body)
        loop = asyncio.get_running_loop()
        origin = head.origin
        await self._places.acquire()
        connection: Connection | None = None
        try:
            connection = self._rested(origin) or await self._dial(head)
            self._used.add(connection)
            incoming = connection.ask(message, loop)
            await incoming.head()
        except BaseException:
            self._drop(connection)
            raise

        def leave() -> None:
            if incoming.is_whole and incoming.keeps_alive and connection.is_open:
                self._rest(origin, connection, loop)
            else:
                self._drop(connection)

        stream = Body(incoming, leave)
        return httpx2.Response(
            incoming.status,
            headers=incoming.headers,
            stream=stream,
            extensions={"http_version": incoming.http_version, "body": stream},
        )

    async def aclose(self) -> None:
        """Close all connections at once."""
        for connections in self._resting.values():
            for connection in connections:
                connection.abort()
        self._resting.clear()
        for connection in self._used:
            connection.abort()

    def _rested(self, origin: Origin) -> Connection | None:
        resting = self._resting.get(origin, [])
        while resting:
            # The youngest: the others fall asleep for good where there is little to do.
            connection = resting.pop()
            connection.wake()
            if connection.is_quiet:
                return connection
            connection.abort()
        return None

    def _rest(
        self, origin: Origin, connection: Connection, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._used.discard(connection)
        self._places.release()
        resting = self._resting.setdefault(origin, [])
        resting.append(connection)
        connection.rest(IDLE_S, loop)
        if len(resting) > self._kept:
            resting.pop(0).abort()

    def _drop(self, connection: Connection | None) -> None:
        self._places.release()
        if connection is not None:
            self._used.discard(connection)
            connection.abort()

    async def _dial(self, head: Head) -> Connection:
        tls = self._trust if head.origin.scheme == "https" else None
        try:
            async with asyncio.timeout(head.connect_s):
                return await _opened(head.origin, tls)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("nobody answered in time") from error
        except OSError as error:
            raise httpx2.ConnectError("nobody could be reached") from error


async def _opened(origin: Origin, tls: ssl.SSLContext | None) -> Connection:
    socket = await reached(origin.host, origin.port)
    name = origin.host if tls else None
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, sock=socket, ssl=tls, server_hostname=name
        )
    except BaseException:
        socket.close()
        raise
    return connection
