"""What tests of webhooks begin with: endpoints on loopback, facts, deliveries that have ended."""

import asyncio
import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import asyncpg
import httpx2

from app.core.ids import new_id
from app.core.settings import Settings

WEBHOOKS = "/api/v2/webhooks"
LOOPBACK = "127.0.0.0/8"
ENDED = ("succeeded", "failed", "skipped")


def reaching_loopback(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_allow_private_cidrs": (ip_network(LOOPBACK),)})


async def a_webhook(client: httpx2.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post(WEBHOOKS, json={"name": "CRM", "url": url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def announce(
    connection: asyncpg.Connection,
    *data: dict[str, Any],
    type_: str = "lead_captured",
    agent_id: str | None = None,
    organization: str = "local",
) -> list[str]:
    """Commit facts, as any room does; returns their ids."""
    facts = [{"id": new_id(), "type": type_, "agent_id": agent_id, "data": one} for one in data]
    await connection.execute(
        "select agentes.announce((select id from agentes.organizations where slug = $1), $2)",
        organization,
        json.dumps(facts),
    )
    return [fact["id"] for fact in facts]


async def deliveries(client: httpx2.AsyncClient, webhook: dict[str, Any], **filters: Any) -> list:
    path = f"{WEBHOOKS}/{webhook['id']}/deliveries"
    answer = await client.get(path, params={"limit": 100, **filters})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def a_delivery(
    client: httpx2.AsyncClient,
    delivery_id: str,
    fits: Callable[[dict[str, Any]], bool] = lambda delivery: delivery["status"] in ENDED,
    *,
    within_s: float = 10,
) -> dict[str, Any]:
    """The delivery, once it is as it should be."""
    async with asyncio.timeout(within_s):
        while True:
            delivery = (await client.get(f"{WEBHOOKS}/deliveries/{delivery_id}")).json()
            if fits(delivery):
                return delivery
            await asyncio.sleep(0.02)


async def after_a_test(
    client: httpx2.AsyncClient, webhook: dict[str, Any], **query: Any
) -> dict[str, Any]:
    """The delivery of a test event, once it has ended."""
    answer = await client.post(f"{WEBHOOKS}/{webhook['id']}/test", params=query)
    assert answer.status_code == 200, answer.text
    return await a_delivery(client, answer.json()["id"])


async def due_now(connection: asyncpg.Connection) -> None:
    """Let whatever waits for another attempt be due, and closed lanes be open."""
    await connection.execute(
        """update agentes.webhook_deliveries set next_attempt_at = now()
            where status = 'pending' and next_attempt_at > now();
           update agentes.webhook_lanes
              set held_until = '-infinity', next_due_at = least(next_due_at, now())
            where next_due_at is not null"""
    )
