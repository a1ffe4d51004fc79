"""Answers that are kept for a while, so that the hot path need not ask the database."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Cache(Protocol):
    """JSON values by key. An outage of what keeps them costs time, never an answer."""

    async def fetch(self, key: str, load: Callable[[], Awaitable[Any]], *, ttl_s: float) -> Any:
        """The value kept under the key, or what `load` gives, which is kept then.

        `load` is asked once, however many wait in this process; if it fails, all who wait learn
        why and nothing is kept. A value is never older than `ttl_s`. Every caller gets a copy of
        its own, in the form that JSON gives it (a tuple comes back as a list).
        """
        ...

    async def forget(self, *keys: str) -> None:
        """Let go of values that are no longer true; call it after the change is committed.

        They are gone in this process at once, in every other within 5 s, and a load that is
        under way now does not bring an old value back.
        """
        ...
