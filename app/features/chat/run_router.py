"""Routes under /api/v2/agents/{agent_id}/chat/runs: what becomes of an answer once it has begun."""

from typing import Annotated

from fastapi import Path

from app.core.ids import AgentId, RunId
from app.core.schemas import Id
from app.features.chat.errors import RunExpired, RunNotFound, UnknownEventId
from app.features.chat.router import STREAM, PathId, Runs
from app.features.chat.schemas import RunState
from app.web.problems import problems
from app.web.routing import Feature, room_router
from app.web.streaming import AfterEvent, FrameStream

router = room_router("chat", prefix="/api/v2/agents/{agent_id}/chat/runs/{run_id}")
PathRun = Annotated[Id, Path(description="The run's id, from any of its events.")]


@router.get("", summary="Read a run", responses=problems(RunNotFound))
async def get_run(agent_id: PathId, run_id: PathRun, runs: Runs) -> RunState:
    """Whether the answer is under way, and how it ended."""
    return await runs.get(AgentId(agent_id), RunId(run_id))


@router.get(
    "/stream",
    status_code=200,
    summary="Resume a stream",
    response_class=FrameStream,
    responses={200: STREAM, **problems(RunNotFound, RunExpired, UnknownEventId)},
)
async def resume_chat(
    agent_id: PathId, run_id: PathRun, after: AfterEvent, runs: Runs
) -> FrameStream:
    """The events after `Last-Event-ID` (all, without it), without a gap or a repeat.

    While the answer is written and for 15 minutes after, from any replica; then 410.
    """
    frames = await runs.resume(AgentId(agent_id), RunId(run_id), after=after)
    return FrameStream(frames)


@router.post("/cancel", summary="Cancel a run", responses=problems(RunNotFound))
async def cancel_run(agent_id: PathId, run_id: PathRun, runs: Runs) -> RunState:
    """Stop the answer at once: the call to the model is closed, what was written is kept.

    The stream ends with `done` and the finish reason `cancelled`. Repeating it is harmless.
    """
    return await runs.cancel(AgentId(agent_id), RunId(run_id))


FEATURE = Feature("runs", router)
