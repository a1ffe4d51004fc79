"""Shared state in Redis, with this process's memory to fall back on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from app.adapters.shared.redis_bus import RedisBus
from app.adapters.shared.redis_cache import RedisCache
from app.adapters.shared.redis_limiter import RedisLimiter
from app.adapters.shared.redis_link import RedisLink
from app.adapters.shared.redis_run_buffers import RedisRunBuffers
from app.core.clock import Clock
from app.ports.shared import SharedState

LAST_WRITE_S = 1.0
log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_redis(url: str, clock: Clock) -> AsyncGenerator[SharedState]:
    """State in the Redis at `url`, which need not be there: in an outage each process is alone.

    Raises:
        ValueError: the address cannot be read.
    """
    link = RedisLink(url, clock)
    await link.probe()
    bus = RedisBus(link)
    cache = RedisCache(link, bus, clock)
    runs = RedisRunBuffers(link, clock)
    work = (link.watch, bus.hear, cache.hear, cache.keep_settling, runs.write, runs.read)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_forever(each)) for each in work]
        try:
            yield SharedState(
                name="redis",
                cache=cache,
                limiter=RedisLimiter(link, clock),
                bus=bus,
                run_buffers=runs,
                is_shared_now=link.answers,
            )
        except Exception as error:
            failure = error  # raised below, where the group does not wrap it
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITE_S):
                    await runs.flush()
            for task in tasks:
                task.cancel()
    await link.aclose()
    if failure is not None:
        raise failure


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    """A mistake in one of these must not end the service: it is told of, and work goes on."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("shared_state_work_failed", work=getattr(work, "__name__", "?"))
        await asyncio.sleep(1.0)
