"""What can be done with a run after it has begun: read it, resume its stream, cancel it."""

import asyncio
from collections.abc import AsyncGenerator

from app.core.ids import AgentId, RunId
from app.features.chat.approvals import ApprovalService
from app.features.chat.ending import AWAITING
from app.features.chat.engine import CANCELS, RunEngine
from app.features.chat.errors import RunExpired, RunNotFound, UnknownEventId
from app.features.chat.frames import stored_problem
from app.features.chat.handoff import HANDED_OVER
from app.features.chat.records import StoredRun
from app.features.chat.repository import RunRepository
from app.features.chat.schemas import ApprovalDecision, ChatAnswer, RunState
from app.features.chat.viewing import UNDER_WAY, Viewing
from app.features.chat.wait_repository import WaitRepository
from app.features.conversations.errors import ConversationNotFound
from app.features.conversations.service import ConversationService
from app.features.forms.service import FormService
from app.ports import Ports
from app.web.auth import Caller

# How long a cancel waits to see the run ended; it goes on to its end after that.
WATCH_CANCEL_S = 3.0
LOOK_EVERY_S = 0.05


class RunService:
    """The runs of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller, engine: RunEngine) -> None:
        self._ports, self._engine, self._caller = ports, engine, caller
        self._repository = RunRepository(ports.database, caller.organization_id)
        self._waits = WaitRepository(ports.database, caller.organization_id)
        self._forms = FormService(ports, caller.organization_id)
        self._approvals = ApprovalService(ports, caller, engine)

    async def get(self, agent_id: AgentId, run_id: RunId) -> RunState:
        """One run.

        Raises:
            RunNotFound: the agent has no such run.
        """
        return await self._state(await self._find(agent_id, run_id))

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
        deadline_s = self._ports.clock.monotonic_s() + WATCH_CANCEL_S
        asked = None
        while run.status in UNDER_WAY and self._ports.clock.monotonic_s() < deadline_s:
            # Asked once more where the run was put down before it could hear of it.
            if run.status != asked:
                await self._stop(run)
            asked = run.status
            await asyncio.sleep(LOOK_EVERY_S)
            run = await self._find(agent_id, run_id)
        return await self._state(run)

    async def _stop(self, run: StoredRun) -> None:
        here = self._engine.find(run.id)
        if here is not None and not here.is_waiting:
            here.cancel()
            return
        # Kept first, so that its owner learns of it even if the message is lost.
        taken = await self._waits.cancel(run.id, owner_id=self._engine.process_id)
        if taken is None:
            await self._ports.bus.publish(CANCELS, {"run_id": run.id})
        else:
            self._engine.end_waiting(taken, None)

    async def decide(
        self,
        agent_id: AgentId,
        run_id: RunId,
        call_id: str,
        body: ApprovalDecision,
        *,
        request_id: str | None,
    ) -> RunState:
        """Decide on a call that waits, and give the run's state (see `ApprovalService.decide`)."""
        await self._approvals.decide(agent_id, run_id, call_id, body, request_id=request_id)
        return await self.get(agent_id, run_id)

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
        if found.is_silent:
            return _unanswered(found)
        waits = {"finish_reason": AWAITING} if found.status == AWAITING else {}
        return ChatAnswer(
            answer=message.content,
            conversation_id=found.conversation_id,
            message_id=found.message_id,
            run_id=found.id,
            sources=message.sources,
            tool_calls=message.tool_calls,
            forms=await self._forms.of_run(found.conversation_id, found.id),
            metadata=message.metadata,
            finish_reason=str((message.metadata | waits).get("finish_reason", "stop")),
        )

    async def _find(self, agent_id: AgentId, run_id: RunId) -> StoredRun:
        run = await self._repository.find(agent_id, run_id)
        if run is None or not await self._may_see(run):
            raise RunNotFound
        return run

    async def _may_see(self, run: StoredRun) -> bool:
        """A visitor sees the runs of its own conversations."""
        if self._caller.visitor is None:
            return True
        conversations = ConversationService(self._ports, self._caller)
        try:
            await conversations.get(run.conversation_id)
        except ConversationNotFound:
            return False
        return True

    async def _state(self, run: StoredRun) -> RunState:
        """The run, for whoever may decide with the calls that wait."""
        may_see = self._caller.visitor is None and run.status == AWAITING
        pending = await self._approvals.pending(run.id) if may_see else []
        return RunState.model_validate(run.model_dump() | {"pending_calls": pending})


def _unanswered(run: StoredRun) -> ChatAnswer:
    """A message that waits for a person: there is no answer, and the message is the user's own."""
    return ChatAnswer(
        answer="",
        conversation_id=run.conversation_id,
        message_id=run.message_id,
        run_id=run.id,
        sources=[],
        tool_calls=[],
        forms=[],
        metadata={},
        finish_reason=HANDED_OVER,
    )
