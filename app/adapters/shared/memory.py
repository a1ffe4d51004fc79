"""Shared state of a single process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.adapters.shared.memory_bus import MemoryBus
from app.adapters.shared.memory_cache import MemoryCache
from app.adapters.shared.memory_limiter import MemoryLimiter
from app.adapters.shared.memory_run_buffers import MemoryRunBuffers
from app.core.clock import Clock
from app.ports.shared import SharedState


async def _always() -> bool:
    return True


@asynccontextmanager
async def open_memory(clock: Clock) -> AsyncGenerator[SharedState]:
    """State that lives as long as the process."""
    yield SharedState(
        name="memory",
        cache=MemoryCache(clock),
        limiter=MemoryLimiter(clock),
        bus=MemoryBus(),
        run_buffers=MemoryRunBuffers(clock),
        is_shared_now=_always,
    )
