"""Cache."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Cache(Protocol):
    """Cache."""

    async def fetch(self, key: str, load: Callable[[], Awaitable[Any]], *, ttl_s: float) -> Any: ...

    async def forget(self, *keys: str) -> None: ...
