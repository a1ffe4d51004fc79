"""CK-1: the machine's clock is set ten minutes ahead, and ten back, while the service works."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.core.clock import SystemClock
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.invariants import check_answers, check_kept, check_streams
from tests.support.load import echoing, load_on
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.run_streams import over

pytestmark = [pytest.mark.anyio, pytest.mark.once]
MINUTES = (10, -10, 0)
IDS = "select id::text from agentes.knowledge_bases order by created_at"


async def of(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.get("/api/v2/agents", headers={"Authorization": f"Bearer {token}"})


async def test_a_clock_that_is_set_disturbs_nobody_but_sessions_of_another_clock(
    settings, connection, monkeypatch
):
    ahead = timedelta()
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + ahead)
    async with over(settings, echoing) as stage:
        client = stage.client
        inbox = (await client.post("/api/v2/webhooks/inboxes")).json()
        hook = {"name": "Caixa", "url": inbox["url"], "events": ["*"]}
        assert (await client.post("/api/v2/webhooks", json=hook)).status_code == 201
        async with load_on(client, stage.agent, chats=3, readers=2, writers=1) as load:
            for minutes in MINUTES:
                await asyncio.sleep(0.5)
                ahead = timedelta(minutes=minutes)
                before = await received(client, inbox["id"])
                async with asyncio.timeout(10):
                    while await received(client, inbox["id"]) <= before:
                        await asyncio.sleep(0.1)
        check_answers(load.ledger)
        assert set(load.ledger.statuses()) <= {200, 201}
        check_streams(load.ledger.acknowledged)
        assert all(chat.terminal == ["done"] for chat in load.ledger.acknowledged)
        await check_kept(load.ledger, connection)
        ids = [row["id"] for row in await connection.fetch(IDS)]
    assert len(ids) > 5
    assert ids == sorted(ids), "a later id sorts before an earlier one"


async def received(client: httpx2.AsyncClient, inbox: str) -> int:
    answer = await client.get(f"/api/v2/webhooks/inboxes/{inbox}/messages", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return len(answer.json()["data"])


@pytest.mark.parametrize("minutes", [10, -10])
async def test_a_session_token_of_another_clock_is_refused_with_a_hint(
    settings, monkeypatch, minutes
):
    async with running_clerk() as clerk:
        signed_in = settings.model_copy(update={"clerk_issuer": clerk.issuer})
        async with (
            serving(signed_in) as url,
            httpx2.AsyncClient(verify=PLAIN_HTTP, base_url=url) as client,
        ):
            assert (await of(client, clerk.token())).status_code == 200
            moved = timedelta(minutes=minutes)
            monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + moved)
            answer = await of(client, clerk.token(iat=int(time.time())))
    assert answer.status_code == 401
    assert "clock" in answer.json()["detail"]
