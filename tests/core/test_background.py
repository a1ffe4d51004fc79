"""Work in the background outlives its own crashes."""

import pytest

from app.core.background import kept_up

pytestmark = pytest.mark.anyio


async def test_work_that_crashes_is_begun_anew_until_it_is_done():
    begun = []

    async def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise ValueError("a bad row")

    await kept_up(work, pause_s=0)
    assert len(begun) == 3
