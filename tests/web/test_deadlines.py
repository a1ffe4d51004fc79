"""An answer that would take too long is given up, and leaves everything usable."""

import asyncio

import httpx2
import pytest

from tests.conftest import serving
from tests.support.stories import an_agent
from tests.web.test_hygiene import AGENTS, is_problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hasty(settings):
    """A client of a service whose answers are due within a second."""
    async with serving(settings.model_copy(update={"request_timeout_seconds": 1})) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
            yield client


async def test_what_waits_for_a_lock_is_504_and_nobody_else_waits(hasty, connection):
    agent = await an_agent(hasty)
    path = f"{AGENTS}/{agent['id']}"
    async with connection.transaction():
        await connection.execute("select from agentes.agents for update")
        body = is_problem(await hasty.patch(path, json={"name": "Tarde"}), 504)
        assert body["code"] == "deadline_exceeded"
        assert (await hasty.get(path)).json() == agent
    assert (await hasty.patch(path, json={"name": "Cedo"})).json()["name"] == "Cedo"


async def test_with_an_idempotency_key_it_is_sent_again_once_nobody_is_at_it(hasty, connection):
    body, key = {"name": "Ana"}, {"Idempotency-Key": "pedido-1"}
    async with connection.transaction():
        await connection.execute("lock table agentes.agents in exclusive mode")
        is_problem(await hasty.post(AGENTS, json=body, headers=key), 504)
    # The database goes on with what it was asked, now that it can; a repeat must not overtake it.
    again = await hasty.post(AGENTS, json=body, headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_in_progress")
    async with asyncio.timeout(20):
        while not (made := (await hasty.get(AGENTS)).json()["data"]):
            await asyncio.sleep(0.05)
    await connection.execute("update agentes.idempotency_keys set locked_until = now()")
    again = await hasty.post(AGENTS, json=body, headers=key)
    assert (again.status_code, again.json().get("id")) == (201, made[0]["id"]), again.text
    assert len((await hasty.get(AGENTS)).json()["data"]) == 1


async def test_many_that_wait_leave_the_others_their_connections(hasty, connection):
    agent = await an_agent(hasty)
    path = f"{AGENTS}/{agent['id']}"
    async with connection.transaction():
        await connection.execute("select from agentes.agents for update")
        for _ in range(6):
            is_problem(await hasty.patch(path, json={"name": "Tarde"}), 504)
            assert (await hasty.get("/health/ready")).status_code == 200
    assert (await hasty.patch(path, json={"name": "Cedo"})).status_code == 200
