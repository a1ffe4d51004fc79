"""When a process may end the runs of others: never right after an outage that silenced all."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest

from app.features.chat.engine import FOR_EVER_S, SILENT_AFTER_S, RunEngine
from app.ports.store import StoreUnavailable

pytestmark = pytest.mark.anyio


class Database:
    """Answers beats, but for those with these numbers; notes how patient each was."""

    def __init__(self, *, is_exclusive: bool, failing: frozenset[int] = frozenset()) -> None:
        self.is_exclusive = is_exclusive
        self.patience: list[int] = []
        self._failing = failing

    def system(self):
        return self

    async def call(self, function: str, **arguments):
        if function != "process_beat_v3":
            return {}
        self.patience.append(arguments["silent_s"])
        if len(self.patience) in self._failing:
            raise StoreUnavailable
        return {"ended": [], "cancelled": [], "expired": []}


async def beating(database: Database) -> list[int]:
    async with asyncio.TaskGroup() as tasks:
        engine = RunEngine(SimpleNamespace(database=database), tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await engine.beat(every_s=0.01)
    return database.patience[:6]


async def test_only_who_has_beaten_twice_ends_the_runs_of_the_silent():
    patience = await beating(Database(is_exclusive=False))
    assert patience == [FOR_EVER_S, FOR_EVER_S, *[SILENT_AFTER_S] * 4]


async def test_after_an_outage_the_others_get_time_to_beat_again():
    patience = await beating(Database(is_exclusive=False, failing=frozenset({3})))
    assert patience == [FOR_EVER_S, FOR_EVER_S, SILENT_AFTER_S, FOR_EVER_S, FOR_EVER_S, 30]


async def test_over_a_database_of_its_own_a_process_ends_what_was_left_at_once():
    assert (await beating(Database(is_exclusive=True)))[0] == 0
