"""Attempts what is due: leases it in batches, sends it, reports what came of it."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from app.core.errors import Problem
from app.core.pauses import Pause
from app.features.webhooks.queue import MARGIN_S, Batch, DeliveryQueue, Leased, Result
from app.features.webhooks.sending import Endpoint, Sender, released
from app.ports import Ports

SLOTS = 512
AT_ONCE_PER_ENDPOINT = 10
# With so many failures in a row the rest of a batch goes back to its queue, whose breaker decides.
GIVE_UP_AFTER = 3
IDLE_POLL_S = 0.5
RETRY_POLL_S = 2.0
# What an endpoint has not come to by then goes back, so that it takes nobody's place.
WAITS_S = 1.0
# Under load, what becomes free meanwhile is claimed at once and what ends is reported at once.
CLAIM_EVERY_S = 0.01
REPORT_EVERY_S = 0.005
REPORTED_AT_ONCE = 200
# An attempt begins only if its lease outlasts its timeout by so much.
REPORT_MARGIN_S = 3.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    """One leased delivery on its way to be attempted."""

    delivery: Leased
    endpoint: Endpoint
    leased_s: float
    lease_ends_s: float


class _Lane:
    """What this process has leased for one endpoint, and how many are under way to it."""

    def __init__(self) -> None:
        self.waiting: deque[_Task] = deque()
        self.under_way = 0
        self.failed_in_row = 0


class DeliveryWorker:
    """One of any number of workers over the same queue."""

    def __init__(self, ports: Ports, *, margin_s: int = MARGIN_S) -> None:
        self._ports = ports
        self._clock = ports.clock
        self._margin_s = margin_s
        self._queue = DeliveryQueue(ports.database)
        self._claiming = Pause(log, "deliveries")
        self._reporting = Pause(log, "delivery_reports")
        self._sender = Sender(ports, random.Random())
        self._held: set[str] = set()
        self._results: list[Result] = []
        self._lanes: dict[str, _Lane] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self.news = asyncio.Event()
        self._settled = asyncio.Event()

    async def claim(self, tasks: asyncio.TaskGroup) -> None:
        """Lease and send until the process is told to stop; the sending runs in `tasks`."""
        while not self._ports.draining.is_set():
            self.news.clear()
            self._put_back_stale()
            claimed = await self._claimed(SLOTS - len(self._held))
            for batch in claimed or ():
                self._begin(batch, tasks)
            if claimed is None:
                await asyncio.sleep(RETRY_POLL_S)
            elif claimed:
                await asyncio.sleep(CLAIM_EVERY_S)
            else:
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(IDLE_POLL_S):
                await self.news.wait()
        except TimeoutError:
            pass

    async def _claimed(self, limit: int) -> list[Batch] | None:
        """What is due; None while the queue cannot be asked."""
        if limit <= 0:
            return []
        try:
            claimed = await self._queue.claim(limit=limit, margin_s=self._margin_s)
        except Problem as problem:
            self._claiming.goes_on(problem)
            return None
        self._claiming.is_over()
        return claimed

    def _begin(self, batch: Batch, tasks: asyncio.TaskGroup) -> None:
        """Send a batch beside what is under way to its endpoint, ten at a time in all."""
        # The lease began before the answer to the claim arrived, so it is rather counted short.
        now_s = self._clock.monotonic_s()
        ends_s = now_s + batch.timeout_s + self._margin_s - 1
        endpoint = self._sender.endpoint(batch)
        lane = self._lanes.setdefault(batch.webhook_id, _Lane())
        lane.waiting.extend(_Task(one, endpoint, now_s, ends_s) for one in batch.deliveries)
        self._held.update(one.id for one in batch.deliveries)
        for _ in range(min(AT_ONCE_PER_ENDPOINT - lane.under_way, len(lane.waiting))):
            lane.under_way += 1
            task = tasks.create_task(self._work_off(batch.webhook_id, lane))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _work_off(self, webhook_id: str, lane: _Lane) -> None:
        """Attempt what waits in a lane, one after another, until nothing does."""
        try:
            while lane.waiting:
                await self._take_next(lane)
        finally:
            lane.under_way -= 1
            if not lane.under_way:
                self._put_back(lane.waiting)  # after a cancellation
                self._lanes.pop(webhook_id, None)

    async def _take_next(self, lane: _Lane) -> None:
        task = lane.waiting.popleft()
        if not self._may_begin(task, lane):
            self._put_back([task])
            return
        try:
            result = await self._sender.attempt(task.endpoint, task.delivery)
        except asyncio.CancelledError:
            # Whether it arrived is not known: it is sent again, with the same id.
            self._put_back([task])
            raise
        except Exception:
            # It is taken up again when its lease has run out.
            log.exception("delivery_crashed", delivery_id=task.delivery.id)
            self._held.discard(task.delivery.id)
            return
        self._ports.meter.delivery_attempted(result.outcome)
        lane.failed_in_row = 0 if result.outcome == "succeeded" else lane.failed_in_row + 1
        self._settle([result])

    def _may_begin(self, task: _Task, lane: _Lane) -> bool:
        left_s = task.lease_ends_s - self._clock.monotonic_s()
        return (
            not self._ports.draining.is_set()
            and left_s > task.endpoint.timeout_s + REPORT_MARGIN_S
            and lane.failed_in_row < GIVE_UP_AFTER
        )

    def _put_back_stale(self) -> None:
        before_s = self._clock.monotonic_s() - WAITS_S
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0].leased_s < before_s:
                self._put_back([lane.waiting.popleft()])

    def _put_back(self, tasks: Iterable[_Task]) -> None:
        self._settle([released(task.endpoint, task.delivery) for task in tasks])

    def _settle(self, results: list[Result]) -> None:
        self._results += results
        self._settled.set()

    async def report(self) -> None:
        """Write down what came of attempts until cancelled."""
        while True:
            await self._settled.wait()
            await asyncio.sleep(REPORT_EVERY_S)
            self._settled.clear()
            while self._results:
                await self._report_some()

    async def _report_some(self) -> None:
        some = self._results[:REPORTED_AT_ONCE]
        try:
            lost = await self._queue.report(some)
        except Problem as problem:
            self._reporting.goes_on(problem)
            await asyncio.sleep(RETRY_POLL_S)
            return
        self._reporting.is_over()
        del self._results[: len(some)]
        self._held.difference_update(result.delivery_id for result in some)
        self.news.set()
        if lost:
            log.warning("delivery_leases_lost", count=lost)

    async def finish(self, *, within_s: float) -> None:
        """Let what is under way end, or put it back, and have all of it reported."""
        deadline_s = self._clock.monotonic_s() + within_s
        if self._sending:
            await asyncio.wait(self._sending, timeout=within_s)
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending, timeout=1)
        while self._results and self._clock.monotonic_s() < deadline_s + 2:
            self._settled.set()
            await asyncio.sleep(REPORT_EVERY_S)
