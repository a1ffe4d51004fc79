"""PG-9: PostgreSQL dies in the middle of chats, or its answer is lost on the way."""

import asyncio
import time

import pytest

from tests.support.invariants import check_kept, check_streams
from tests.support.load import Load, load_on
from tests.support.postgres_server import IMMEDIATE

pytestmark = pytest.mark.anyio
CHATS = 20


async def test_pg9_chats_go_on_while_the_database_is_down_and_are_kept_when_it_is_back(
    stack, chance, is_long
):
    for _ in range(20 if is_long else 1):
        load = Load(stack.client, stack.agent_id, pause_s=0)
        async with asyncio.TaskGroup() as tasks:
            chats = [tasks.create_task(load.one_chat()) for _ in range(CHATS)]
            await asyncio.sleep(chance.uniform(0.4, 0.8))
            await stack.postgres.stop(IMMEDIATE)
            before = sum(len(chat.events) for chat in load.ledger.chats)
            await asyncio.sleep(chance.uniform(1.5, 3))
            during = sum(len(chat.events) for chat in load.ledger.chats)
            ended = [chat for chat in load.ledger.acknowledged if chat.terminal]
            await stack.postgres.start()
            back_s = time.monotonic()
        assert time.monotonic() - back_s < 10
        assert during > before, "the streams stood still"
        assert ended == [], "an end was told that was not kept"
        assert len(chats) == CHATS
        check_streams(load.ledger.acknowledged)
        assert {chat.terminal[0] for chat in load.ledger.acknowledged} == {"done"}
        async with stack.connection() as connection:
            await check_kept(load.ledger, connection)


async def test_pg9_an_answer_whose_end_was_committed_but_not_confirmed_is_done(stack):
    stack.proxy.faults.lose_reply_to = b'"status":"completed"'
    async with load_on(stack.client, stack.agent_id, chats=0, readers=0, writers=0) as load:
        chat = await load.one_chat()
    assert stack.proxy.replies_lost == 1
    assert chat.terminal == ["done"]
    async with stack.connection() as connection:
        await check_kept(load.ledger, connection)
