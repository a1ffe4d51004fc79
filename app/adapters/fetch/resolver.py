"""Looks host names up, bounded in time, threads and answers."""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

from app.adapters.fetch.deny_list import Address, read_address
from app.ports.fetch import AddressRefused, FetchTimedOut, HostUnknown

LookUp = Callable[..., Sequence[tuple[Any, ...]]]

LOOK_UP_S = 5.0
KEPT_S = 10.0
MAX_KEPT = 1024
MAX_ANSWERS = 64
MAX_LOOK_UPS = 64
"""At once. A name whose servers are silent holds one for up to half a minute."""


class Resolver:
    """Names to addresses. An answer serves for a few seconds; whoever asks checks it each time."""

    def __init__(
        self,
        look_up: LookUp = socket.getaddrinfo,
        *,
        look_up_s: float = LOOK_UP_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._look_up = look_up
        self._look_up_s = look_up_s
        self._kept_s = kept_s
        self._free = asyncio.Semaphore(MAX_LOOK_UPS)
        self._running: dict[str, asyncio.Future[tuple[Address, ...]]] = {}
        self._kept: OrderedDict[str, tuple[float, tuple[Address, ...]]] = OrderedDict()

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """Every address of a host, in the order in which they are to be tried.

        Raises:
            HostUnknown: it has none.
            FetchTimedOut: nobody told in time.
            AddressRefused: it has more than any honest host.
        """
        kept = self._kept.get(host)
        if kept and time.monotonic() - kept[0] < self._kept_s:
            return kept[1]
        try:
            async with asyncio.timeout(self._look_up_s):
                return await asyncio.shield(await self._asking(host))
        except TimeoutError:
            raise FetchTimedOut("The look-up of the host's name took too long.") from None

    async def _asking(self, host: str) -> "asyncio.Future[tuple[Address, ...]]":
        """The look-up that is under way for the host, or a new one."""
        while host not in self._running:
            await self._free.acquire()
            if host in self._running:
                self._free.release()
                break
            self._running[host] = self._start(host)
        return self._running[host]

    def _start(self, host: str) -> "asyncio.Future[tuple[Address, ...]]":
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[tuple[Address, ...]] = loop.create_future()

        def finish(found: tuple[Address, ...] | Exception) -> None:
            self._free.release()
            del self._running[host]
            if isinstance(found, Exception):
                asked.set_exception(found)
                asked.exception()  # read, for when nobody waits any more
            else:
                self._keep(host, found)
                asked.set_result(found)

        def ask() -> None:
            found = self._ask(host)
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, found)

        # Not an executor: those of the loop are few and shared, and every executor's threads are
        # waited for at exit, which a name whose servers are silent would put off.
        Thread(target=ask, name="look-up", daemon=True).start()
        return asked

    def _ask(self, host: str) -> tuple[Address, ...] | Exception:
        try:
            answers = self._look_up(host, None, type=socket.SOCK_STREAM)
            if len(answers) > MAX_ANSWERS:
                return AddressRefused(f"The host has more than {MAX_ANSWERS} addresses.")
            found = tuple(dict.fromkeys(read_address(str(each[4][0])) for each in answers))
        except (OSError, ValueError):  # UnicodeError, from the codec of names, is a ValueError
            found = ()
        return found or HostUnknown("The name of the host is not known.")

    def _keep(self, host: str, found: tuple[Address, ...]) -> None:
        self._kept[host] = (time.monotonic(), found)
        self._kept.move_to_end(host)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
