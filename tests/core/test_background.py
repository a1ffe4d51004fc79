"""Work in the background outlives its own crashes."""

import asyncio
import threading

import pytest

from app.core.background import in_daemon, kept_up

pytestmark = pytest.mark.anyio


async def test_work_that_crashes_is_begun_anew_until_it_is_done():
    begun = []

    async def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise ValueError("a bad row")

    await kept_up(work, pause_s=0)
    assert len(begun) == 3


async def test_blocking_work_gives_its_result_or_its_failure():
    assert await in_daemon(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await in_daemon(lambda: 1 // 0)


def test_blocking_work_keeps_no_loop_from_its_end():
    let_go = threading.Event()

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.shield(in_daemon(let_go.wait))

    asyncio.run(leave())
    assert not let_go.is_set()
    let_go.set()
