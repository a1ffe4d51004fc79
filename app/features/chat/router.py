"""Routes under /api/v2/agents/{agent_id}/chat that begin a run."""

from contextlib import AsyncExitStack
from typing import Annotated, cast

from fastapi import Depends, Path, Request, Response

from app.core.ids import AgentId
from app.core.schemas import Id
from app.features.agents.errors import AgentNotFound
from app.features.chat.engine import RunEngine, open_runs
from app.features.chat.errors import (
    AgentInactive,
    BudgetExceeded,
    ClientLeft,
    PriceUnknown,
    RunTooLong,
    ServerStopping,
)
from app.features.chat.records import Joined
from app.features.chat.run import Run
from app.features.chat.run_service import RunService
from app.features.chat.schemas import ChatAnswer, ChatCreate
from app.features.chat.service import ChatRequest, ChatService
from app.features.chat.visitors import VisitorsOnlyAsk, answer_for, shown_live, shown_to
from app.features.conversations.errors import ConversationNotFound
from app.ports.llm import ProviderFailed, ProviderNotConfigured, UnknownModel
from app.web.auth import ChatterOrVisitor
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts
from app.web.idempotency import REPLAYED, IdempotencyKey, IdempotencyKeyReused
from app.web.limits import ServiceLimits, TooManyStreams
from app.web.problems import problems
from app.web.routing import Feature, room_router
from app.web.streaming import FrameStream, read_to_the_end

router = room_router("chat", prefix="/api/v2/agents/{agent_id}/chat")
PathId = Annotated[Id, Path(description="The agent's id.")]

EXAMPLE = (
    'id: 1\nevent: progress\ndata: {"event":"progress","data":{"status":"started","progress":0},'
    '"conversation_id":"…","message_id":"…","run_id":"…"}\n\n'
    'id: 2\nevent: answer\ndata: {"event":"answer","data":"O prazo \\u00e9 de 6 dias",'
    '"conversation_id":"…","message_id":"…","run_id":"…"}\n\n'
)
STREAM = {
    "description": "`progress`, `source`, `tool`, `form`, `answer`, `metadata`; `done` or `error`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
}
REFUSALS = problems(
    AgentNotFound,
    ConversationNotFound,
    AgentInactive,
    UnknownModel,
    ProviderNotConfigured,
    IdempotencyKeyReused,
    BudgetExceeded,
    PriceUnknown,
    ServerStopping,
    VisitorsOnlyAsk,
)


def engine_of(request: Request) -> RunEngine:
    """The engine of this process."""
    return cast("RunEngine", request.app.state.features["chat"])


async def _chat(ports: OpenPorts, caller: ChatterOrVisitor, request: Request) -> ChatService:
    return ChatService(ports, caller, engine_of(request))


async def _runs(ports: OpenPorts, caller: ChatterOrVisitor, request: Request) -> RunService:
    return RunService(ports, caller, engine_of(request))


def _asked(agent_id: str, body: ChatCreate, request: Request, key: str | None) -> ChatRequest:
    return ChatRequest(
        agent_id=AgentId(agent_id),
        body=body,
        route=request.scope["path"],
        key=key,
        request_id=request.state.request_id,
    )


Chat = Annotated[ChatService, Depends(_chat)]
Runs = Annotated[RunService, Depends(_runs)]


@router.post(
    "/stream",
    status_code=200,
    summary="Chat, streamed",
    response_class=FrameStream,
    responses={200: STREAM, **REFUSALS, **problems(TooManyStreams)},
)
async def stream_chat(
    agent_id: PathId,
    body: ChatCreate,
    key: IdempotencyKey,
    chat: Chat,
    caller: ChatterOrVisitor,
    limits: ServiceLimits,
    request: Request,
) -> FrameStream:
    """The answer as server-sent events, each one line of JSON: `{event, data, …ids}`.

    The first event, `progress` with `started`, comes at once; the last is `done` or `error`, and
    there is exactly one of them. The answer is the `answer` events' texts in a row. It goes on if
    the connection is lost: `GET …/runs/{run_id}/stream` with `Last-Event-ID` gives the rest, and
    the same request with the same `Idempotency-Key` joins the answer from its beginning.

    Where a call needs a person's approval, a `progress` event with `awaiting_approval` names it
    and the stream stays open until there is a decision, for 15 minutes at most.

    While a person is asked for in the conversation the agent is silent: the message is kept, a
    `progress` event with `human_requested` says so, and `done` has that as its `finish_reason`.
    `GET /api/v2/conversations/{conversation_id}/stream` shows what the person writes.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limits.stream(caller))
        started = await chat.start(_asked(agent_id, body, request, key))
        held = stack.pop_all()
    if isinstance(started, Joined):
        headers = REPLAYED if started.is_replay else {}
        return FrameStream(shown_to(caller, chat.follow(started.run)), headers=headers, held=held)
    return FrameStream(shown_live(caller, chat.watch(started)), held=held)


@router.post(
    "",
    summary="Chat, whole answer",
    responses={**REFUSALS, **problems(RunTooLong, ProviderFailed, TooManyStreams)},
)
@at_its_own_pace
async def complete_chat(
    agent_id: PathId,
    body: ChatCreate,
    key: IdempotencyKey,
    chat: Chat,
    runs: Runs,
    caller: ChatterOrVisitor,
    limits: ServiceLimits,
    request: Request,
    response: Response,
) -> ChatAnswer:
    """The same as the stream, in one JSON when it is whole.

    Where a call needs a person's approval first, it comes at once with what has been written and
    the `finish_reason` `awaiting_approval`; the run tells when it has gone on and ended.
    """
    asked = _asked(agent_id, body, request, key)
    async with limits.stream(caller):
        answer = await _completed(asked, chat, runs, request, response)
    return answer_for(caller, answer)


async def _completed(
    asked: ChatRequest, chat: ChatService, runs: RunService, request: Request, response: Response
) -> ChatAnswer:
    started = await chat.start(asked)
    if isinstance(started, Joined):
        response.headers.update(REPLAYED if started.is_replay else {})
        if not await read_to_the_end(chat.follow(started.run, waits=False), request):
            raise ClientLeft
        return await runs.answer(started.run)
    if not await read_to_the_end(started.buffer.follow(), request):
        raise ClientLeft
    return _whole(started)


def _whole(run: Run) -> ChatAnswer:
    if run.problem is not None:
        raise run.problem
    return ChatAnswer(
        answer=run.shown.text,
        conversation_id=run.ids.conversation_id,
        message_id=run.ids.message_id,
        run_id=run.ids.run_id,
        sources=run.shown.sources,
        tool_calls=run.shown.tool_calls,
        forms=run.shown.forms,
        metadata=run.metadata,
        finish_reason=run.finish_reason,
    )


FEATURE = Feature("chat", router, open_runs)
