"""Dashboards while the database goes and comes: they stay open, miss and repeat nothing."""

import asyncio
import os

import pytest

from tests.support.event_streams import listening
from tests.support.postgres_server import FAST, IMMEDIATE

pytestmark = pytest.mark.anyio


async def captured(client) -> bool:
    """One more fact, if the database is there."""
    lead = {"name": "Ana", "email": f"{os.urandom(8).hex()}@example.com"}
    return (await client.post("/api/v2/leads", json=lead)).status_code == 201


@pytest.mark.parametrize("mode", [FAST, IMMEDIATE], ids=["fast", "immediate"])
async def test_an_open_stream_outlives_a_restart_of_the_database(watched, mode, is_long):
    client, postgres = watched.stack.client, watched.stack.postgres
    async with listening(client, types="lead_captured,gap") as reader:
        last = int((await reader.begun())["id"])
        for _ in range(20 if is_long else 1):
            count = 0
            for _ in range(10):
                count += await captured(client)
            await postgres.stop(mode)
            assert not await captured(client)
            await postgres.start()
            await watched.recovered(within_s=10)
            for _ in range(10):
                count += await captured(client)
            events = await reader.take(count, within_s=20)
            numbers = [event["number"] for event in events]
            assert numbers == sorted(set(numbers))
            assert numbers[0] > last
            assert {event["type"] for event in events} == {"lead_captured"}
            last = numbers[-1]
    async with asyncio.timeout(20):
        while await captured(client) is False:
            await asyncio.sleep(0.1)
