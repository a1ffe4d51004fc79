"""The month's usage: what the rows say, by an independent query, over time zones."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.core.ids import new_id
from tests.support.stories import an_agent, asking

pytestmark = [pytest.mark.anyio, pytest.mark.once]
USAGE = "/api/v2/settings/usage"
ZONE = "America/Sao_Paulo"


async def a_run(connection, organization, agent, *, at, model="gpt-4o-mini", cost=7, read=10):
    """A run that has ended, as it is stored."""
    conversation, run, message = new_id(), new_id(), new_id()
    usage = {"input_tokens": read, "output_tokens": 3, "cached_tokens": 1, "cost_micro": cost}
    metadata = {"usage": usage, "cost_usd": None if cost is None else cost / 1e6}
    await connection.execute(
        """insert into agentes.conversations (id, organization_id, agent_id, title)
           values ($1, $2, $3, 'x')""",
        conversation, organization, agent,
    )  # fmt: skip
    await connection.execute(
        """insert into agentes.messages
             (id, organization_id, conversation_id, role, content, metadata)
           values ($1, $2, $3, 'assistant', 'x', $4)""",
        message, organization, conversation, json.dumps(metadata),
    )  # fmt: skip
    await connection.execute(
        """insert into agentes.runs (id, organization_id, agent_id, agent_version, conversation_id,
             message_id, owner_id, model_id, status, usage, started_at, ended_at)
           values ($1, $2, $3, 1, $4, $5, $1, $6, 'completed', $7, $8, $8)""",
        run, organization, agent, conversation, message, model, json.dumps(usage), at,
    )  # fmt: skip


def days_so_far(zone):
    return datetime.now(UTC).astimezone(ZoneInfo(zone)).day


async def test_nothing_used_is_a_month_of_zeroes(client):
    usage = (await client.get(USAGE)).json()
    assert usage["total"] == {
        "runs": 0, "input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "cost_usd": 0,
        "unpriced_runs": 0,
    }  # fmt: skip
    assert len(usage["by_day"]) == days_so_far("UTC")
    assert (usage["by_model"], usage["by_agent"], usage["budgets"]) == ([], [], [])


async def test_an_answer_is_in_the_months_sums_as_in_its_metadata(client):
    agent = await an_agent(client)
    answer = await client.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
    said = answer.json()["metadata"]
    usage = (await client.get(USAGE)).json()
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        assert usage["total"][name] == said["usage"][name]
    assert (usage["total"]["cost_usd"], usage["total"]["runs"]) == (0, 1)
    (by_model,), (by_agent,) = usage["by_model"], usage["by_agent"]
    assert (by_model["model_id"], by_agent["agent_id"]) == ("local", agent["id"])
    assert by_agent["name"] == agent["name"]


@pytest.mark.parametrize("zone", ["UTC", ZONE, "Asia/Kathmandu", "Pacific/Kiritimati"])
async def test_the_sums_are_those_of_the_messages_rows_by_day_model_and_agent(
    client, connection, zone
):
    await client.patch("/api/v2/settings", json={"timezone": zone, "monthly_budget_usd": 1})
    one, other = await an_agent(client), await an_agent(client)
    organization = one["organization_id"]
    now = datetime.now(UTC)
    for hours in range(0, 24 * 40, 7):
        agent = one if hours % 2 else other
        await a_run(
            connection, organization, agent["id"], at=now - timedelta(hours=hours),
            model=f"m{hours % 3}", cost=None if hours % 3 == 2 else hours, read=hours,
        )  # fmt: skip
    usage = (await client.get(USAGE)).json()
    # From the messages, not the runs, and by PostgreSQL's own time zones.
    rows = await connection.fetch(
        """select to_char(r.started_at at time zone $1, 'YYYY-MM-DD') as day,
                  r.model_id, r.agent_id,
                  (m.metadata->'usage'->>'input_tokens')::int as read,
                  (m.metadata->>'cost_usd')::numeric as cost
             from agentes.messages m join agentes.runs r on r.message_id = m.id
            where to_char(r.started_at at time zone $1, 'YYYY-MM')
                  = to_char(now() at time zone $1, 'YYYY-MM')""",
        zone,
    )
    assert usage["total"]["runs"] == len(rows)

    def sums(key):
        found = {}
        for row in rows:
            read, cost, unpriced = found.get(str(row[key]), (0, 0, 0))
            found[str(row[key])] = (
                read + row["read"],
                cost + (row["cost"] or 0),
                unpriced + (row["cost"] is None),
            )
        return {name: (r, round(float(c), 6), u) for name, (r, c, u) in found.items()}

    def told(rows, key):
        return {
            row[key]: (row["input_tokens"], row["cost_usd"] or 0, row["unpriced_runs"])
            for row in rows
            if row["runs"]
        }

    assert told(usage["by_day"], "date") == sums("day")
    assert told(usage["by_model"], "model_id") == sums("model_id")
    assert told(usage["by_agent"], "agent_id") == sums("agent_id")
    assert len(usage["by_day"]) == days_so_far(zone)
    unpriced = [row for row in usage["by_model"] if row["model_id"] == "m2"]
    assert all(row["cost_usd"] is None for row in unpriced)
    (budget,) = usage["budgets"]
    assert budget["used"] == usage["total"]["cost_usd"]
    assert budget["remaining"] == pytest.approx(1 - budget["used"])
