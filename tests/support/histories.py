"""Histories of conversations, written straight into the tables as chats would have."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from app.core.ids import new_id
from app.core.schemas import rfc3339

MODEL_PRICES_ARE_UNKNOWN = "sem-preco"


@dataclass
class Turn:
    """A question and how its answer ended."""

    at: datetime
    is_whole: bool
    first_ms: int
    whole_ms: int
    cost_micros: int
    model: str
    rating: int | None


@dataclass
class Sale:
    """A conversion, and how much of it was taken back at once."""

    at: datetime
    amount: int | None
    currency: str
    refunded: int | None
    refunded_at: datetime


@dataclass
class Talk:
    """One conversation as it came to be, in any order."""

    agent_id: str
    visitor_id: str | None
    at: datetime
    turns: list[Turn]
    sales: list[Sale]
    is_resolved: bool
    is_handed_off: bool
    id: str = field(default_factory=new_id)
    is_there: bool = False


class Historian:
    """Writes what happened, late or twice, as chats would have committed it."""

    def __init__(self, connection: asyncpg.Connection, organization_id: str) -> None:
        self.connection, self.org = connection, organization_id

    async def begin(self, talk: Talk) -> None:
        """The conversation's row."""
        if talk.is_there:
            return
        talk.is_there = True
        await self.connection.execute(
            """insert into agentes.conversations (id, organization_id, agent_id, visitor_id, title,
                 created_at, updated_at) values ($1::uuid, $2::uuid, $3::uuid, $4, 't', $5, $5)""",
            talk.id, self.org, talk.agent_id, talk.visitor_id, talk.at,
        )  # fmt: skip
        await self._announce("conversation_started", talk, new_id())

    async def say(self, talk: Talk, turn: Turn, *, times: int) -> None:
        """A turn whole, and so many facts of it."""
        await self.begin(talk)
        asked, answered, run = new_id(), new_id(), new_id()
        metadata = {
            "model": turn.model,
            "time_to_first_token_ms": turn.first_ms,
            "processing_time": turn.whole_ms,
            "cost_usd": cost_of(turn),
        }
        ended = turn.at + timedelta(milliseconds=turn.whole_ms)
        status = "complete" if turn.is_whole else "incomplete"
        await self.connection.execute(
            """insert into agentes.messages (id, organization_id, conversation_id, run_id, role,
                 content, status, metadata, created_at)
               select m.id::uuid, $1::uuid, $2::uuid, $3::uuid, m.role, 'Oi?', m.status,
                      m.metadata::jsonb, $4
                 from unnest($5::text[], $6::text[], $7::text[], $8::text[])
                   m(id, role, status, metadata)""",
            self.org, talk.id, run, turn.at, [asked, answered], ["user", "assistant"],
            ["complete", status], ["{}", json.dumps(metadata)],
        )  # fmt: skip
        await self.connection.execute(
            """insert into agentes.runs (id, organization_id, agent_id, agent_version,
                 conversation_id, message_id, owner_id, model_id, status, usage, started_at,
                 ended_at)
               values ($1::uuid, $2::uuid, $3::uuid, 1, $4::uuid, $5::uuid, $1::uuid, 'x', $6,
                       '{"input_tokens": 10, "output_tokens": 3, "cached_tokens": 1}', $7, $8)""",
            run, self.org, talk.agent_id, talk.id, answered,
            "completed" if turn.is_whole else "failed", turn.at, ended,
        )  # fmt: skip
        if turn.rating:
            await self.connection.execute(
                """insert into agentes.feedback (id, organization_id, conversation_id, message_id,
                     agent_id, given_by, rating, created_at)
                   values ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, 'x', $6, $7)""",
                new_id(), self.org, talk.id, answered, talk.agent_id, turn.rating, turn.at,
            )  # fmt: skip
        for _ in range(times):
            await self._announce("message_completed", talk, answered)

    async def sell(self, talk: Talk, sale: Sale) -> None:
        """A conversion, and what was taken back of it, as callers record them."""
        await self.begin(talk)
        row = {
            "id": new_id(),
            "conversation_id": talk.id,
            "type": "purchase",
            "amount": sale.amount,
            "currency": sale.currency if sale.amount else None,
            "is_refundable": True,
            "external_id": new_id(),
            "occurred_at": rfc3339(sale.at),
        }
        for _ in range(2):  # a caller who heard nothing sends it again
            await self._called("conversion_record_v1($1::uuid, $2, $3)", row)
        if sale.refunded is not None:
            refund = {
                "id": new_id(),
                "amount": sale.refunded or None,
                "occurred_at": rfc3339(sale.refunded_at),
            }
            await self._called(f"conversion_refund_v1($1::uuid, '{row['id']}', $2, $3)", refund)

    async def _called(self, call: str, row: dict[str, Any]) -> None:
        event = {"id": new_id(), "type": "conversion_recorded", "data": {}}
        result = await self.connection.fetchval(
            f"select {call}", self.org, json.dumps(row), json.dumps([event])
        )
        assert json.loads(result)["outcome"] in ("recorded", "repeated"), result

    async def close(self, talk: Talk) -> None:
        """How the conversation was marked in the end."""
        await self.begin(talk)
        if talk.is_resolved:
            await self._set(talk, "status = 'resolved'")
        if talk.is_handed_off:
            await self._set(talk, """handoff = '{"reason": "customer_request"}'""")

    async def _set(self, talk: Talk, assignment: str) -> None:
        await self.connection.execute(
            f"update agentes.conversations set {assignment} where id = $1::uuid", talk.id
        )

    async def remove(self, talk: Talk) -> None:
        """As a caller deletes it."""
        await self.connection.execute(
            "delete from agentes.conversations where id = $1::uuid", talk.id
        )

    async def _announce(self, name: str, talk: Talk, message_id: str) -> None:
        data = {"conversation_id": talk.id, "agent_id": talk.agent_id, "message_id": message_id}
        event = {"id": new_id(), "type": name, "agent_id": talk.agent_id, "data": data}
        await self.connection.execute(
            "select agentes.announce($1::uuid, $2)", self.org, json.dumps([event])
        )

    async def count(self) -> None:
        """All that has been committed, whoever's pass it is."""
        while True:
            await self.connection.execute("select events_number_v2(1000)")
            await self.connection.execute("select analytics_count_v1(1000)")
            if await self.connection.fetchval(
                """select not exists (select from agentes.outbox)
                      and not exists (select from agentes.analytics_changes)
                      and (select number from agentes.analytics_cursor)
                        = (select coalesce(max(number), 0) from agentes.events)"""
            ):
                return


def cost_of(turn: Turn) -> float | None:
    """USD; unknown for one model."""
    return None if turn.model == MODEL_PRICES_ARE_UNKNOWN else turn.cost_micros / 1_000_000


def within(moments: Iterable[datetime], start: datetime, stop: datetime) -> int:
    """How many moments lie in a range."""
    return sum(start <= moment < stop for moment in moments)
