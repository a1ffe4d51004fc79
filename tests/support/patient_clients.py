"""Clients as README tells people to write them: they ask again, and go on where they stopped."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from app.core.ids import new_id
from tests.support.event_streams import DASHBOARD, EventReader
from tests.support.stories import asking

BUSY = (429, 502, 503)
# A request whose process was killed is answered once its lease of a minute has run out.
GIVE_UP_S = 90
PAUSE_S = 0.1


@dataclass
class Stream:
    """One chat, however often its connection was lost."""

    question: str
    key: str = field(default_factory=new_id)
    run_id: str | None = None
    numbers: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    text: str = ""
    connections: int = 0

    @property
    def has_ended(self) -> bool:
        return bool(self.names) and self.names[-1] in ("done", "error")


@dataclass
class PatientClients:
    """Traffic through one address, with what each client has at its end."""

    client: httpx2.AsyncClient
    agent: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing happens any more: dashboards that have been silent since end."""
    streams: list[Stream] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    seen: list[list[int]] = field(default_factory=list)
    """The numbers of events that each dashboard was shown."""
    read: int = 0

    async def reads(self) -> None:
        async def read() -> bool:
            answer = await self.client.get("/api/v2/knowledge/bases", params={"limit": 5})
            return _is_answered(answer, 200)

        while not self.stop.is_set():
            await _until(read)
            self.read += 1
            await asyncio.sleep(PAUSE_S)

    async def writes(self) -> None:
        while not self.stop.is_set():
            name = new_id()

            async def write(name: str = name) -> bool:
                answer = await self.client.post(
                    "/api/v2/knowledge/bases",
                    json={"name": name},
                    headers={"Idempotency-Key": name},
                )
                # 409: the same request is still being answered, or its process has died.
                return answer.status_code != 409 and _is_answered(answer, 201)

            await _until(write)
            self.written.append(name)
            await asyncio.sleep(PAUSE_S)

    async def chats(self) -> None:
        while not self.stop.is_set():
            stream = Stream(f"pergunta-{new_id()}")
            self.streams.append(stream)
            await _until(lambda stream=stream: self._follow(stream))

    async def watches(self) -> None:
        """A dashboard, until all is over and it has been silent for a while."""
        numbers: list[int] = []
        self.seen.append(numbers)

        async def watch() -> bool:
            headers = {"Last-Event-ID": str(numbers[-1])} if numbers else {"Last-Event-ID": "0"}
            async with self.client.stream("GET", DASHBOARD, headers=headers) as answer:
                if answer.status_code != 200:
                    return False
                reader = EventReader(answer)
                while True:
                    try:
                        (event,) = await reader.take(1, within_s=3)
                    except TimeoutError:
                        return self.over.is_set()  # one that may have died is followed anew
                    if event["number"] is not None:
                        numbers.append(event["number"])

        await _until(watch, lasts=True)

    async def _follow(self, stream: Stream) -> bool:
        """Whether it has ended; one connection's worth of it."""
        stream.connections += 1
        runs = f"/api/v2/agents/{self.agent}/chat"
        if stream.run_id is None:
            asked = self.client.stream(
                "POST",
                f"{runs}/stream",
                json=asking(stream.question),
                headers={"Idempotency-Key": stream.key},
            )
        else:
            asked = self.client.stream(
                "GET",
                f"{runs}/runs/{stream.run_id}/stream",
                headers={"Last-Event-ID": str(stream.numbers[-1])},
            )
        async with asked as answer:
            if answer.status_code != 200:
                await answer.aread()
                return answer.status_code != 409 and _is_answered(answer, 200)
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    stream.numbers.append(int(line[4:]))
                elif line.startswith("data: "):
                    event = json.loads(line[6:])
                    stream.run_id = event["run_id"]
                    stream.names.append(event["event"])
                    if event["event"] == "answer":
                        stream.text += event["data"]
        return stream.has_ended


def _is_answered(answer: httpx2.Response, status: int) -> bool:
    """Whether it is the answer; a process that stops or starts is asked again."""
    assert answer.status_code in (status, *BUSY), answer.text
    return answer.status_code == status


async def _until(ask: Callable[[], Awaitable[bool]], *, lasts: bool = False) -> None:
    """Ask until it is answered, whatever becomes of connections."""
    async with asyncio.timeout(None if lasts else GIVE_UP_S):
        while True:
            try:
                if await ask():
                    return
            except (httpx2.TransportError, AssertionError) as error:
                if isinstance(error, AssertionError) and not str(error).startswith("ended after"):
                    raise
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def at_work(clients: PatientClients) -> AsyncIterator[None]:
    """All of them, at their work while the body runs; at the end each has what it asked for."""
    traffic = [clients.chats] * 8 + [clients.reads] * 4 + [clients.writes] * 3
    async with asyncio.TaskGroup() as dashboards:
        for _ in range(3):
            dashboards.create_task(clients.watches())
        async with asyncio.TaskGroup() as tasks:
            for work in traffic:
                tasks.create_task(work())
            yield
            clients.stop.set()
        clients.over.set()
