"""The patience with a silent provider, beside others who cancel."""

import asyncio
import time

import pytest

from app.adapters.llm.silence import Silence
from app.ports.llm import ProviderStalled

pytestmark = pytest.mark.anyio


async def test_who_cancels_at_the_same_moment_is_heard_first():
    silence = Silence(0.01)
    waiting = asyncio.ensure_future(silence.limited(asyncio.sleep(30)))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.011, waiting.cancel)
    time.sleep(0.05)  # noqa: ASYNC251  both are due when the loop goes on
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_task_that_was_told_of_silence_is_not_cancelled():
    silence = Silence(0.01)
    with pytest.raises(ProviderStalled):
        await silence.limited(asyncio.sleep(30))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_what_comes_during_a_wait_begins_the_patience_anew():
    silence = Silence(0.3)

    async def something_comes():
        for _ in range(6):
            await asyncio.sleep(0.1)
            silence.begin(0.3)
        await asyncio.sleep(30)

    with pytest.raises(ProviderStalled, match=r"0\.3"):
        await silence.limited(something_comes())


async def test_waits_together_may_not_last_longer_than_the_limit():
    silence = Silence(0.3)

    async def wait(times, *, something_comes):
        for _ in range(times):
            await silence.limited(asyncio.sleep(0.05))
            if something_comes:
                silence.begin(0.3)

    await wait(10, something_comes=True)
    with pytest.raises(ProviderStalled):
        await wait(100, something_comes=False)
