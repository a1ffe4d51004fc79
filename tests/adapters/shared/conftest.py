"""A Redis of its own for each test, and openings of it that stand for processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from app.adapters.shared.redis import open_redis
from app.core.clock import SystemClock
from app.ports.shared import SharedState
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as running:
        yield running


@pytest.fixture
async def processes(server: RedisServer) -> AsyncIterator[list[SharedState]]:
    """Three that share one server."""
    async with AsyncExitStack() as stack:
        openings = (open_redis(server.url, SystemClock()) for _ in range(3))
        yield [await stack.enter_async_context(opening) for opening in openings]
