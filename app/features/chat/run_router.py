"""Routes under /api/v2/agents/{agent_id}/chat/runs: what becomes of an answer once it has begun."""

from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import Path, Request

from app.core.ids import AgentId, RunId
from app.core.schemas import Id
from app.features.chat.errors import (
    AlreadyDecided,
    ApprovalExpired,
    ArgumentsInvalid,
    CallNotFound,
    RunExpired,
    RunNotFound,
    ServerStopping,
    UnknownEventId,
)
from app.features.chat.router import STREAM, PathId, Runs
from app.features.chat.schemas import ApprovalDecision, RunState
from app.features.chat.visitors import shown_to
from app.features.tools.errors import ToolChangedMeanwhile
from app.web.auth import ChatterOrVisitor, ConversationsWriter
from app.web.limits import ServiceLimits, TooManyStreams
from app.web.problems import problems
from app.web.routing import Feature, room_router
from app.web.streaming import AfterEvent, FrameStream

router = room_router("chat", prefix="/api/v2/agents/{agent_id}/chat/runs/{run_id}")
PathRun = Annotated[Id, Path(description="The run's id, from any of its events.")]
PathCall = Annotated[Id, Path(description="The call's id, from the run's `pending_calls`.")]


@router.get("", summary="Read a run", responses=problems(RunNotFound))
async def get_run(agent_id: PathId, run_id: PathRun, runs: Runs) -> RunState:
    """Whether the answer is under way, and how it ended."""
    return await runs.get(AgentId(agent_id), RunId(run_id))


@router.get(
    "/stream",
    status_code=200,
    summary="Resume a stream",
    response_class=FrameStream,
    responses={200: STREAM, **problems(RunNotFound, RunExpired, UnknownEventId, TooManyStreams)},
)
async def resume_chat(
    agent_id: PathId,
    run_id: PathRun,
    after: AfterEvent,
    runs: Runs,
    caller: ChatterOrVisitor,
    limits: ServiceLimits,
) -> FrameStream:
    """The events after `Last-Event-ID` (all, without it), without a gap or a repeat.

    While the answer is written and for 15 minutes after, from any replica; then 410.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limits.stream(caller))
        frames = await runs.resume(AgentId(agent_id), RunId(run_id), after=after)
        held = stack.pop_all()
    return FrameStream(shown_to(caller, frames), held=held)


@router.post("/cancel", summary="Cancel a run", responses=problems(RunNotFound))
async def cancel_run(agent_id: PathId, run_id: PathRun, runs: Runs) -> RunState:
    """Stop the answer at once: the call to the model is closed, what was written is kept.

    The stream ends with `done` and the finish reason `cancelled`. Repeating it is harmless.
    """
    return await runs.cancel(AgentId(agent_id), RunId(run_id))


@router.post(
    "/approvals/{call_id}",
    summary="Decide on a call",
    responses=problems(
        RunNotFound,
        CallNotFound,
        AlreadyDecided,
        ApprovalExpired,
        ArgumentsInvalid,
        ToolChangedMeanwhile,
        ServerStopping,
    ),
)
async def decide_call(
    agent_id: PathId,
    run_id: PathRun,
    call_id: PathCall,
    body: ApprovalDecision,
    caller: ConversationsWriter,
    runs: Runs,
    request: Request,
) -> RunState:
    """Approve a call that waits, with other arguments if you like, or deny it; the first counts.

    An approval calls the tool as it was when the question was asked: if it has been changed or
    deleted since, the answer is 409, the call fails and the run goes on without it.

    Needs the scopes `chat` and `conversations:write`. With the last decision the answer goes on,
    in the same stream; without one within 15 minutes it ends as failed.
    """
    caller.require("chat")
    request_id: str = request.state.request_id
    return await runs.decide(AgentId(agent_id), RunId(run_id), call_id, body, request_id=request_id)


FEATURE = Feature("runs", router)
