"""What keeps deliveries going in the background: following events, recoveries, housekeeping."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from app.core.background import kept_up
from app.core.errors import Problem
from app.core.pauses import Pause
from app.features.webhooks.addresses import stored_address
from app.features.webhooks.queue import DELIVERIES_DUE, DeliveryQueue
from app.features.webhooks.sealing import WebhookSeals
from app.features.webhooks.worker import DeliveryWorker
from app.ports import Ports
from app.ports.bus import EVENTS_NUMBERED, next_message
from app.web.routing import FeatureContext

FOLLOW_POLL_S = 1.0
# Another process is at it, and may have begun before our facts were numbered.
BUSY_PAUSE_S = 0.05
RETRY_POLL_S = 2.0
UPKEEP_EVERY_S = 1.0
PURGE_EVERY_S = 60.0
PURGED_BATCHES = 20
SEAL_EVERY_S = 60.0
KEPT_DAYS = 30
# After the streams' and requests' own time to end, which the process is given before.
FINISH_S = 4.0
log = structlog.get_logger(__name__)


class Upkeep:
    """The loops beside the worker's own. Each works until cancelled."""

    def __init__(self, ports: Ports, worker: DeliveryWorker) -> None:
        self._ports = ports
        self._worker = worker
        self._queue = DeliveryQueue(ports.database)
        self._following = Pause(log, "webhooks")
        self._keeping = Pause(log, "webhook_upkeep")

    async def follow(self) -> None:
        """Turn events into deliveries as soon as they are numbered."""
        async with self._ports.bus.subscribe(EVENTS_NUMBERED) as messages:
            while True:
                await self._follow_to_the_end()
                await next_message(messages, within_s=FOLLOW_POLL_S)

    async def _follow_to_the_end(self) -> None:
        has_more = True
        while has_more:
            try:
                made, has_more = await self._queue.follow()
            except Problem as problem:
                self._following.goes_on(problem)
                await asyncio.sleep(RETRY_POLL_S)
                continue
            self._following.is_over()
            if made:
                await self._tell()
            elif has_more:
                await asyncio.sleep(BUSY_PAUSE_S)

    async def _tell(self) -> None:
        self._worker.news.set()
        await self._ports.bus.publish(DELIVERIES_DUE, {})

    async def listen(self) -> None:
        """Wake the worker when anybody has made deliveries due."""
        async with self._ports.bus.subscribe(DELIVERIES_DUE) as messages:
            async for _ in messages:
                self._worker.news.set()

    async def keep(self) -> None:
        """Leases that ran out, recoveries, endpoints that are off; now and then what is too old."""
        next_purge_s = 0.0
        while True:
            await self._once(self._queue.release)
            await self._all(self._queue.recover)
            await self._all(self._queue.skip)
            if self._ports.clock.monotonic_s() >= next_purge_s:
                next_purge_s = self._ports.clock.monotonic_s() + PURGE_EVERY_S
                if await self._once(self._queue.mend):
                    log.error("webhook_queues_mended")
                await self._all(partial(self._queue.purge, days=KEPT_DAYS), times=PURGED_BATCHES)
            await asyncio.sleep(UPKEEP_EVERY_S)

    async def seal(self) -> None:
        """Seal the credentials in addresses that an earlier release has kept in clear, or keeps."""
        while True:
            await self._once(self._seal_addresses)
            await asyncio.sleep(SEAL_EVERY_S)

    async def _seal_addresses(self) -> None:
        after: str | None = None
        while page := await self._queue.addresses(after):
            after = page[-1]["id"]
            for webhook in page:
                await self._seal_address(webhook["id"], webhook["url"])

    async def _seal_address(self, webhook_id: str, url: str) -> None:
        stored = stored_address(url)
        if stored == url:
            return
        sealed = WebhookSeals(self._ports.vault, webhook_id).seal_url(url)
        has_more = True
        while has_more:
            has_more = await self._queue.seal_address(webhook_id, url, stored, sealed)

    async def _once(self, step: Callable[[], Awaitable[Any]]) -> bool:
        """Whether the step found anything to do."""
        try:
            found = bool(await step())
        except Problem as problem:
            self._keeping.goes_on(problem)
            return False
        self._keeping.is_over()
        if found:
            self._worker.news.set()
        return found

    async def _all(self, step: Callable[[], Awaitable[Any]], *, times: int = 1_000) -> None:
        for _ in range(times):
            if not await self._once(step):
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_deliveries(ports: Ports) -> FeatureContext:
    """A worker for as long as the service runs; what is under way at the end is put back."""
    worker = DeliveryWorker(ports)
    upkeep = Upkeep(ports, worker)
    async with asyncio.TaskGroup() as tasks, asyncio.TaskGroup() as sending:
        loops = [upkeep.follow, upkeep.listen, upkeep.keep, upkeep.seal]
        loops.append(partial(worker.claim, sending))
        background = [tasks.create_task(kept_up(loop)) for loop in loops]
        reporting = tasks.create_task(kept_up(worker.report))
        try:
            yield worker
        finally:
            for task in background:
                task.cancel()
            await worker.finish(within_s=FINISH_S)
            reporting.cancel()
