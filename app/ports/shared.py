"""What the processes of one service share, chosen together by `REDIS_URL`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.ports.bus import Bus
from app.ports.cache import Cache
from app.ports.limiter import Limiter
from app.ports.run_buffers import RunBuffers


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """One of each, over the same memory or the same Redis."""

    name: str
    cache: Cache
    limiter: Limiter
    bus: Bus
    run_buffers: RunBuffers
    is_shared_now: Callable[[], Awaitable[bool]]
    """False in an outage, in which every process goes on by itself."""
