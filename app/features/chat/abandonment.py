"""Stops a run when nobody has listened to it for a while, if its client wants that."""

import asyncio

from app.features.chat.run import Run
from app.ports import Ports

ABANDONED_AFTER_S = 30.0
LOOK_EVERY_S = 1.0


async def cancel_when_abandoned(
    run: Run,
    ports: Ports,
    *,
    after_s: float = ABANDONED_AFTER_S,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Return when the run has ended; viewers in other processes count as listeners."""
    left_s: float | None = None
    while not run.ended.is_set():
        await asyncio.sleep(look_every_s)
        now_s = ports.clock.monotonic_s()
        if run.buffer.listeners or await ports.run_buffers.is_watched_elsewhere(run.ids.run_id):
            left_s = None
        elif left_s is None:
            left_s = now_s
        elif now_s - left_s >= after_s:
            run.cancel()
