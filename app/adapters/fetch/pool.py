"""Idle connections, kept for a few seconds for the next request to the same place."""

import asyncio
import time
from collections.abc import Sequence

from app.adapters.fetch.connection import Connection
from app.adapters.fetch.deny_list import Address
from app.adapters.fetch.urls import Target

MAX_IDLE = 512
MAX_IDLE_A_PLACE = 64
KEPT_S = 15.0
_SWEEP_S = 5.0


class Pool:
    """Connections by scheme, host, port and address: two hosts at one address share none."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str, int, Address], list[Connection]] = {}
        self._count = 0
        self._sweeping: asyncio.TimerHandle | None = None

    def take(
        self, target: Target, addresses: Sequence[Address], *, max_idle_s: float
    ) -> Connection | None:
        """The one that was used last, to one of these addresses; None if there is none."""
        oldest = time.monotonic() - max_idle_s
        for address in addresses:
            idle = self._idle.get((*target.origin, address), [])
            while idle:
                connection = idle.pop()
                self._count -= 1
                if connection.is_usable and connection.idle_since >= oldest:
                    return connection
                connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep it for the next request if it can carry one."""
        here = len(self._idle.get(connection.key, ()))
        has_room = self._count < MAX_IDLE and here < MAX_IDLE_A_PLACE
        if not (connection.is_usable and has_room):
            connection.close()
            return
        self._idle.setdefault(connection.key, []).append(connection)
        self._count += 1
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def close(self) -> None:
        """Close them all."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._close_older_than(float("inf"))

    def _sweep(self) -> None:
        self._close_older_than(time.monotonic() - KEPT_S)
        self._sweeping = None
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _close_older_than(self, moment: float) -> None:
        for key, idle in list(self._idle.items()):
            kept = [each for each in idle if each.is_usable and each.idle_since >= moment]
            for connection in set(idle) - set(kept):
                connection.close()
            self._count -= len(idle) - len(kept)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]
