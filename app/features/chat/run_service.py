"""What can be done with a run after it has begun: read it, resume its stream, cancel it."""

import asyncio
from collections.abc import AsyncGenerator

from app.core.ids import AgentId, RunId
from app.features.chat.engine import CANCELS, RunEngine
from app.features.chat.errors import RunExpired, RunNotFound, UnknownEventId
from app.features.chat.frames import stored_problem
from app.features.chat.records import StoredRun
from app.features.chat.repository import RunRepository
from app.features.chat.schemas import ChatAnswer, RunState
from app.features.chat.viewing import Viewing
from app.ports import Ports
from app.web.auth import Caller

# How long a cancel waits to see the run ended; it goes on to its end after that.
WATCH_CANCEL_S = 3.0
LOOK_EVERY_S = 0.05


class RunService:
    """The runs of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller, engine: RunEngine) -> None:
        self._ports, self._engine = ports, engine
        self._repository = RunRepository(ports.database, caller.organization_id)

    async def get(self, agent_id: AgentId, run_id: RunId) -> RunState:
        """One run.

        Raises:
            RunNotFound: the agent has no such run.
        """
        return _state(await self._find(agent_id, run_id))

    async def resume(
        self, agent_id: AgentId, run_id: RunId, *, after: int
    ) -> AsyncGenerator[bytes]:
        """The frames after that number, from whichever process writes them.

        Raises:
            RunNotFound: the agent has no such run.
            RunExpired: it ended more than 15 minutes ago.
            UnknownEventId: nobody can have read so far.
        """
        run = await self._find(agent_id, run_id)
        if run.is_expired:
            raise RunExpired("Read the answer in the conversation's messages.")
        newest = self._newest(run)
        if newest is not None and after > newest:
            raise UnknownEventId(f"The newest event has the number {newest}.")
        return Viewing(self._ports, self._repository).follow(run, after=after)

    def _newest(self, run: StoredRun) -> int | None:
        """The number of the run's newest event, where this process can know it."""
        here = self._ports.run_buffers.find(run.id)
        if here is not None:
            return here.last_event_id
        return None if run.status == "running" else run.last_event_id

    async def cancel(self, agent_id: AgentId, run_id: RunId) -> RunState:
        """Stop the run wherever it is written, and give its state; harmless when it has ended.

        Raises:
            RunNotFound: the agent has no such run.
        """
        run = await self._find(agent_id, run_id)
        if run.status != "running":
            return _state(run)
        here = self._engine.find(run.id)
        if here is not None:
            here.cancel()
        else:
            # Kept first, so that its owner learns of it even if the message is lost.
            await self._repository.request_cancel(run.id)
            await self._ports.bus.publish(CANCELS, {"run_id": run.id})
        deadline_s = self._ports.clock.monotonic_s() + WATCH_CANCEL_S
        while run.status == "running" and self._ports.clock.monotonic_s() < deadline_s:
            await asyncio.sleep(LOOK_EVERY_S)
            run = await self._find(agent_id, run_id)
        return _state(run)

    async def answer(self, run: StoredRun) -> ChatAnswer:
        """The whole answer of a run that has ended.

        Raises:
            Problem: why the run failed; what was written stays in the conversation.
            RunNotFound: it was deleted meanwhile.
        """
        found = await self._repository.find_answered(run.agent_id, run.id)
        if found is None or found.message is None:
            raise RunNotFound
        if found.status == "failed":
            raise stored_problem(found.error)
        message = found.message
        return ChatAnswer(
            answer=message.content,
            conversation_id=found.conversation_id,
            message_id=found.message_id,
            run_id=found.id,
            sources=message.sources,
            tool_calls=message.tool_calls,
            metadata=message.metadata,
            finish_reason=str(message.metadata.get("finish_reason", "stop")),
        )

    async def _find(self, agent_id: AgentId, run_id: RunId) -> StoredRun:
        run = await self._repository.find(agent_id, run_id)
        if run is None:
            raise RunNotFound
        return run


def _state(run: StoredRun) -> RunState:
    return RunState.model_validate(run.model_dump())
