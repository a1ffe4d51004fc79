"""Runs that wait for a person: begun over a scripted model, decided over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.run_streams import FrameReader, Stage, data_of, over
from tests.support.stories import asking
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, sending

WIRE = UPSTREAMS["openai"].wire
SUM = ("estornar", '{"expression": "150 - 10"}')


def calling(*calls: tuple[str, str], text: str = ""):
    parts = [WIRE.start, *([WIRE.text(text)] if text else [])]
    for place, (name, arguments) in enumerate(calls):
        parts += [WIRE.call(place, f"call_{place}", name), WIRE.arguments(place, arguments)]
    return sending(*parts, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


def saying(text: str):
    return sending(*UPSTREAMS["openai"].whole(text))


def is_waiting(frame: bytes) -> bool:
    return (
        data_of(frame)["data"].get("status") == "awaiting_approval"
        if b"progress" in frame[:40]
        else False
    )


@dataclass
class Wait:
    """One stream that has come to its wait, and stays open."""

    stage: Stage
    reader: FrameReader
    frames: list[bytes]
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return data_of(self.frames[0])["run_id"]

    async def state(self) -> dict[str, Any]:
        return await self.stage.run(self.run_id)

    async def decide(
        self, decision: str = "approve", *, call: int = 0, **body: Any
    ) -> httpx2.Response:
        return await decide(
            self.stage.client,
            self.stage.path,
            self.run_id,
            self.calls[call]["call_id"],
            decision=decision,
            **body,
        )

    async def rest(self) -> list[bytes]:
        """All frames of the stream, to its end."""
        async with asyncio.timeout(20):
            return self.frames + await self.reader.take()


async def decide(
    client: httpx2.AsyncClient, path: str, run_id: str, call_id: str, **body: Any
) -> httpx2.Response:
    return await client.post(f"{path}/runs/{run_id}/approvals/{call_id}", json=body)


@asynccontextmanager
async def waiting(settings: Any, *scripts: Any, calls: int = 1) -> AsyncIterator[Wait]:
    """A service whose agent wants `estornar`, which a person has to approve."""
    async with over(settings, *scripts) as stage:
        await a_tool(stage.client, stage.agent, name="estornar", risk="approval_required")
        await a_tool(stage.client, stage.agent, name="calcular")
        body = asking("Estorne.")
        async with stage.client.stream("POST", f"{stage.path}/stream", json=body) as answer:
            reader = FrameReader(answer)
            yield await come_to_wait(stage, reader, calls)


async def come_to_wait(stage: Stage, reader: FrameReader, calls: int) -> Wait:
    wait = Wait(stage, reader, [])
    async with asyncio.timeout(20):
        while sum(map(is_waiting, wait.frames)) < calls:
            wait.frames += await reader.take(1)
        while (state := await wait.state())["status"] == "running":
            await asyncio.sleep(0.02)
    wait.calls = state["pending_calls"]
    return wait
