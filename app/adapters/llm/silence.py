"""Ends a wait for a provider that has said nothing for too long."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from app.ports.llm import ProviderStalled

T = TypeVar("T")


class Silence:
    """`asyncio.timeout` for many waits that share a deadline, with one timer for all of them.

    A timer for each wait costs as much as parsing what comes in it.
    """

    def __init__(self, limit_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[object] | None = None
        self._has_expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._began_s = self._ends_s = 0.0
        self.begin(limit_s)

    def begin(self, limit_s: float) -> None:
        """Something has come: from now on this much may be waited for more."""
        self._limit_s = self._remaining_s = limit_s
        if self._waiting is not None:
            self._begin_wait()

    async def limited(self, awaited: Awaitable[T]) -> T:
        """What is awaited. Only time in here counts, not that of a slow reader of what came.

        Raises:
            ProviderStalled: the time is over first.
        """
        task = self._waiting = asyncio.current_task()
        cancelled_before = 0 if task is None else task.cancelling()
        self._begin_wait()
        try:
            return await awaited
        except asyncio.CancelledError:
            # Whoever else cancelled the task is heard first.
            if self._has_expired and task is not None and task.uncancel() <= cancelled_before:
                limit_s = round(self._limit_s, 1)
                raise ProviderStalled(f"Nothing came for {limit_s:g} s.") from None
            raise
        finally:
            self._waiting = None
            self._remaining_s -= self._loop.time() - self._began_s

    def end(self) -> None:
        """Nothing more is awaited."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin_wait(self) -> None:
        self._began_s = self._loop.time()
        self._ends_s = self._began_s + self._remaining_s
        if self._timer is None or self._ends_s < self._timer.when():
            self._set_timer()

    def _set_timer(self) -> None:
        self.end()
        self._timer = self._loop.call_at(self._ends_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return  # the next wait sets it again
        if self._loop.time() < self._ends_s:
            self._set_timer()
            return
        self._has_expired = True
        self._waiting.cancel()
