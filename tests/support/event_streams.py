"""Dashboard streams as a client reads them, and facts written as rooms do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2

from app.core.ids import new_id

WAITING = "select count(*) from agentes.outbox where id = any($1::uuid[])"
DASHBOARD = "/api/v2/events/dashboard"


class EventReader:
    """Frames of one stream, comments apart."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._chunks = answer.aiter_raw()
        self._rest = b""
        self._ready: list[dict[str, str]] = []

    async def _more(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        *frames, self._rest = (self._rest + chunk).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b": "):
                self.comments.append(frame.decode("ascii")[2:])
            else:
                lines = frame.decode("ascii").split("\n")
                self._ready.append(dict(line.split(": ", 1) for line in lines))
        return True

    async def take(self, count: int, *, within_s: float = 10) -> list[dict[str, Any]]:
        """So many events, each `{"number", …its JSON}`; the beginning is left out."""
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(within_s):
            while len(events) < count:
                while not self._ready:
                    assert await self._more(), f"ended after {events}, {self.comments}"
                frame = self._ready.pop(0)
                if "data" in frame:
                    number = int(frame["id"]) if "id" in frame else None
                    events.append({"number": number, **json.loads(frame["data"])})
        return events

    async def begun(self) -> dict[str, str]:
        """The first frame as it is."""
        while not self._ready:
            assert await self._more()
        return self._ready.pop(0)

    async def end(self, *, within_s: float = 10) -> None:
        """Wait until the server ends the stream."""
        async with asyncio.timeout(within_s):
            while await self._more():
                pass


@asynccontextmanager
async def listening(
    client: httpx2.AsyncClient, after: int | str | None = None, **query: Any
) -> AsyncIterator[EventReader]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with client.stream("GET", DASHBOARD, headers=headers, params=query) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield EventReader(answer)


async def announce(
    connection: asyncpg.Connection,
    organization: str,
    count: int = 1,
    *,
    type_: str = "message_received",
    agent: str | None = None,
) -> list[str]:
    """Facts as a room's function writes them, numbered; returns their ids."""
    ids = [new_id() for _ in range(count)]
    await connection.executemany(
        "insert into agentes.outbox (id, organization_id, type, agent_id, data)"
        " values ($1, $2, $3, $4, $5)",
        [
            (one, organization, type_, agent, json.dumps({"place": place, "text": "João 😀\n"}))
            for place, one in enumerate(ids)
        ],
    )
    # The service would find them within its second; none of these tests is about that.
    # Of two that number at once one does nothing: it may be the service's turn.
    async with asyncio.timeout(10):
        while await connection.fetchval(WAITING, ids):
            await connection.fetchval("select events_number_v2(1000)")
    return ids


async def local_organization(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("select id from agentes.organizations"))
