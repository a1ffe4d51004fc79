"""Figures against the rows, reckoned once more in Python, whatever came late or twice."""

import math
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.ids import new_id
from tests.support.histories import (
    MODEL_PRICES_ARE_UNKNOWN,
    Historian,
    Sale,
    Talk,
    Turn,
    cost_of,
    within,
)

pytestmark = [pytest.mark.anyio, pytest.mark.once]
# Around both changes of summer time in New York, and of history in none of the zones.
NEWEST = datetime(2026, 11, 20, tzinfo=UTC)
ZONES = ["America/Sao_Paulo", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "UTC"]
DUMP = """
select t.name, t.row from (
  select 'rollup' as name, to_jsonb(r) as row from agentes.analytics_rollups r
   union all select 'share', to_jsonb(s) - 'due_at' from agentes.analytics_shares s
   union all select 'latency', to_jsonb(l) from agentes.analytics_latencies l where count <> 0
   union all select 'visit', to_jsonb(v) from agentes.analytics_visits v
   union all select 'day', to_jsonb(d) from agentes.analytics_visit_days d where count <> 0) t
 where t.name <> 'rollup' or exists (
   select from jsonb_each(t.row) m
    where m.key not in ('organization_id', 'agent_id', 'facet', 'grain', 'bucket')
      and m.value <> '0')
 order by 1, 2::text
"""


@st.composite
def turns(draw, start):
    return Turn(
        at=start + timedelta(minutes=draw(st.integers(0, 3000))),
        is_whole=draw(st.booleans()),
        first_ms=draw(st.integers(1, 5_000)),
        whole_ms=draw(st.integers(1, 60_000)),
        cost_micros=draw(st.integers(0, 5_000)),
        model=draw(st.sampled_from(["m-1", "m-1", "m-2", MODEL_PRICES_ARE_UNKNOWN])),
        rating=draw(st.sampled_from([None, None, 1, -1])),
    )


@st.composite
def sales(draw, start):
    at = start + timedelta(minutes=draw(st.integers(0, 9000)))
    amount = draw(st.one_of(st.none(), st.integers(1, 10**9)))
    return Sale(
        at=at,
        amount=amount,
        currency=draw(st.sampled_from(["BRL", "USD"])),
        refunded=draw(st.sampled_from([None, 0, 1])) if amount else None,
        refunded_at=at + timedelta(minutes=draw(st.integers(0, 9000))),
    )


@st.composite
def talks(draw):
    start = NEWEST - timedelta(minutes=draw(st.integers(10_000, 60_000)))
    return {
        "agent": draw(st.integers(0, 1)),
        "visitor_id": draw(st.sampled_from([None, "v-1", "v-2", "v-3"])),
        "at": start,
        "turns": draw(st.lists(turns(start), max_size=4)),
        "sales": draw(st.lists(sales(start), max_size=2)),
        "is_resolved": draw(st.booleans()),
        "is_handed_off": draw(st.sampled_from([False, False, True])),
    }


def holds(sale):
    return sale.refunded is None or (sale.refunded != 0 and sale.amount > sale.refunded)


def outcome_of(talk):
    if any(holds(sale) for sale in talk.sales):
        return "converted"
    if talk.is_handed_off:
        return "handed_off"
    last = max(talk.turns, key=lambda turn: turn.id_order, default=None)
    return "resolved" if talk.is_resolved or (last and last.is_whole) else "abandoned"


def visitor_of(talk):
    return talk.visitor_id or talk.id


def reckoned(history, start, stop):
    """The numbers of a range, from nothing but what happened."""
    begun = [talk for talk in history if start <= talk.at < stop]
    said = [(talk, turn) for talk in history for turn in talk.turns]
    turns_within = [(talk, turn) for talk, turn in said if start <= turn.at < stop]
    sold = [sale for talk in history for sale in talk.sales]
    visitors = {visitor_of(talk) for talk, _ in turns_within}
    costs = [cost_of(turn) for _, turn in turns_within]
    revenue = defaultdict(lambda: [0, 0])
    for sale in sold:
        if sale.amount and start <= sale.at < stop:
            revenue[sale.currency][0] += sale.amount
        if sale.amount and sale.refunded is not None and start <= sale.refunded_at < stop:
            revenue[sale.currency][1] += sale.refunded or sale.amount
    outcomes = [outcome_of(talk) for talk in begun]
    return {
        "conversations": len(begun),
        "messages": 2 * len(turns_within),
        "answers": len(turns_within),
        "failures": sum(not turn.is_whole for _, turn in turns_within),
        "likes": sum(turn.rating == 1 for _, turn in turns_within),
        "dislikes": sum(turn.rating == -1 for _, turn in turns_within),
        "input_tokens": 10 * len(turns_within),
        "cost_usd": None if None in costs else round(sum(costs), 6),
        "visitors": len(visitors),
        "returning": len(
            visitors & {visitor_of(talk) for talk, turn in said if turn.at < start}
        ),
        "custom": within((sale.at for sale in sold), start, stop),
        "refunds": within(
            (sale.refunded_at for sale in sold if sale.refunded is not None), start, stop
        ),
        "outcomes": {
            name: outcomes.count(name)
            for name in ("converted", "handed_off", "resolved", "abandoned", "open")
        },
        "paid": sum(any(holds(s) and s.amount for s in talk.sales) for talk in begun),
        "bounced": sum(
            len(talk.turns) <= 1 and not any(holds(s) for s in talk.sales) for talk in begun
        ),
        "revenue": {
            currency: (gross / 1e6, refunded / 1e6)
            for currency, (gross, refunded) in sorted(revenue.items())
        },
    }  # fmt: skip


def told(shown):
    """The same numbers from the dashboard."""
    overview, conversions = shown["overview"], shown["conversions"]
    begun = overview["total_conversations"]
    return {
        "conversations": begun,
        "messages": overview["total_messages"],
        "answers": shown["performance"]["answers"],
        "failures": shown["performance"]["failures"],
        "likes": overview["likes"],
        "dislikes": overview["dislikes"],
        "input_tokens": shown["usage"]["input_tokens"],
        "cost_usd": shown["usage"]["cost_usd"],
        "visitors": overview["unique_visitors"],
        "returning": shown["engagement"]["returning_visitors"],
        "custom": conversions["custom"],
        "refunds": conversions["refunds"],
        "outcomes": {
            name: count for name, count in shown["outcomes"].items() if name != "handoff_reasons"
        },
        "paid": conversions["paid"],
        "bounced": shown["engagement"]["bounced"],
        "revenue": {
            one["currency"]: (one["gross"], one["refunded"]) for one in conversions["revenue"]
        },
    }


def check_series(shown, history, zone):
    """No bucket is missing, each begins with its local day, and each has what it should."""
    series = shown["time_series"]
    ends = [shown["period"]["from"], *(bucket["to"] for bucket in series)]
    assert [bucket["from"] for bucket in series] == ends[:-1]
    assert ends[-1] == shown["period"]["to"]
    for bucket in series:
        start, stop = (datetime.fromisoformat(bucket[end]) for end in ("from", "to"))
        assert start.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "00:00"
        expected = reckoned(history, start, stop)
        for name in ("conversations", "messages", "failures", "custom"):
            assert bucket[name] == expected[name], (name, start)


def check_percentiles(shown, history, start, stop):
    times = sorted(
        turn.whole_ms for talk in history for turn in talk.turns if start <= turn.at < stop
    )
    for share, value in shown["performance"]["response_time_ms"].items():
        if times:
            exact = times[math.ceil(int(share[1:]) / 100 * len(times)) - 1]
            assert abs(value - exact) <= 0.046 * exact + 1, (share, exact)


def steps_of(history, historian, chance):
    """Everything that happened, in an order of its own."""
    steps = []
    for talk in history:
        talk.turns.sort(key=lambda _: chance.random())
        for turn in talk.turns:
            steps.append((historian.say, (talk, turn), {"times": chance.choice([1, 2])}))
        steps += [(historian.sell, (talk, sale), {}) for sale in talk.sales]
        steps.append((historian.close, (talk,), {}))
    chance.shuffle(steps)
    return steps


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    given_talks=st.lists(talks(), min_size=1, max_size=6),
    zone=st.sampled_from(ZONES),
    days=st.tuples(st.integers(0, 30), st.integers(1, 30)),
    seed=st.integers(0, 2**32),
)
async def test_figures_are_what_the_rows_come_to(client, connection, given_talks, zone, days, seed):
    chance = random.Random(seed)
    agents = [new_id(), new_id()]
    org = str(await connection.fetchval("select id from agentes.organizations"))
    historian = Historian(connection, org)
    await connection.execute("delete from agentes.conversations")
    await historian.count()
    history = [
        Talk(agent_id=agents[fields["agent"]], **{k: v for k, v in fields.items() if k != "agent"})
        for fields in given_talks
    ]
    for number, (step, args, options) in enumerate(steps_of(history, historian, chance)):
        for turn in args:
            if isinstance(turn, Turn):
                turn.id_order = number
        await step(*args, **options)
        if chance.random() < 0.3:
            await historian.count()
    if len(history) > 1 and chance.random() < 0.5:
        await historian.remove(history.pop())
    await historian.count()
    first = NEWEST.date() - timedelta(days=days[0] + days[1])
    params = {"from": str(first), "to": str(first + timedelta(days=days[1])), "timezone": zone}
    for agent_id in (None, *agents):
        ours = [talk for talk in history if agent_id in (None, talk.agent_id)]
        answer = await client.get(
            "/api/v2/analytics/dashboard",
            params=params | {"interval": "day"} | ({"agent_id": agent_id} if agent_id else {}),
        )
        shown = answer.json()
        start, stop = (datetime.fromisoformat(shown["period"][end]) for end in ("from", "to"))
        expected = reckoned(ours, start, stop)
        assert told(shown) == {name: expected[name] for name in told(shown)}
        check_series(shown, ours, zone)
        check_percentiles(shown, ours, start, stop)
    counted = {tuple(row) for row in await connection.fetch(DUMP)}
    await connection.execute("select analytics_rebuild_v1($1::uuid)", org)
    assert counted ^ {tuple(row) for row in await connection.fetch(DUMP)} == set()
