"""LP-11: a model that says very much at once does not keep the process from its other work."""

import asyncio
import time

import pytest

from tests.support.load import FLOOD, LETTERS
from tests.support.stories import asking, stream, text_of

pytestmark = pytest.mark.anyio
LAG_S = 0.1


async def test_lp11_a_hundred_thousand_pieces_at_once_arrive_whole_and_block_nobody(watched):
    client, agent_id = watched.stack.client, watched.stack.agent_id
    flood = asyncio.ensure_future(stream(client, agent_id, asking(FLOOD)))
    took_s = []
    while not flood.done():
        started_s = time.monotonic()
        assert (await client.get("/health/live")).status_code == 200
        took_s.append(time.monotonic() - started_s)
        await asyncio.sleep(0.005)
    events = await flood
    assert events[-1]["event"] == "done"
    assert text_of(events) == LETTERS * 10_000
    took_s.sort()
    assert took_s[len(took_s) * 9 // 10] < LAG_S, took_s[-20:]
