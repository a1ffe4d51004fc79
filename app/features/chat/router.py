"""Routes under /api/v2/agents/{agent_id}/chat."""

from typing import Annotated, cast

from fastapi import Depends, Path, Request

from app.core.ids import AgentId
from app.core.schemas import Id
from app.features.agents.errors import AgentNotFound
from app.features.chat.engine import RunEngine, open_runs
from app.features.chat.errors import AgentInactive, RunTooLong, ServerStopping
from app.features.chat.schemas import ChatAnswer, ChatCreate
from app.features.chat.service import ChatService, whole_answer
from app.features.conversations.errors import ConversationNotFound
from app.ports.llm import ProviderFailed, ProviderNotConfigured, UnknownModel
from app.web.auth import Chatter
from app.web.deps import OpenPorts
from app.web.problems import problems
from app.web.routing import Feature, room_router
from app.web.streaming import FrameStream

router = room_router("chat", prefix="/api/v2/agents/{agent_id}/chat")
PathId = Annotated[Id, Path(description="The agent's id.")]

EXAMPLE = (
    'id: 1\nevent: progress\ndata: {"event":"progress","data":{"status":"started","progress":0},'
    '"conversation_id":"…","message_id":"…","run_id":"…"}\n\n'
    'id: 2\nevent: answer\ndata: {"event":"answer","data":"O prazo \\u00e9 de 6 dias",'
    '"conversation_id":"…","message_id":"…","run_id":"…"}\n\n'
)
REFUSALS = problems(
    AgentNotFound,
    ConversationNotFound,
    AgentInactive,
    UnknownModel,
    ProviderNotConfigured,
    ServerStopping,
)


async def _chat(ports: OpenPorts, caller: Chatter, request: Request) -> ChatService:
    engine = cast("RunEngine", request.app.state.features["chat"])
    return ChatService(ports, caller, engine)


Chat = Annotated[ChatService, Depends(_chat)]


@router.post(
    "/stream",
    status_code=200,
    summary="Chat, streamed",
    response_class=FrameStream,
    responses={
        200: {
            "description": "`progress`, `source`, `answer`, `metadata`; `done` or `error`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
        **REFUSALS,
    },
)
async def stream_chat(
    agent_id: PathId, body: ChatCreate, chat: Chat, request: Request
) -> FrameStream:
    """The answer as server-sent events, each one line of JSON: `{event, data, …ids}`.

    The first event, `progress` with `started`, comes at once; the last is `done` or `error`, and
    there is exactly one of them. The answer is the `answer` events' texts in a row. It goes on and
    is kept in the conversation if the connection is lost.
    """
    run = await chat.start(AgentId(agent_id), body, request_id=request.state.request_id)
    return FrameStream(run.buffer.follow())


@router.post(
    "",
    summary="Chat, whole answer",
    responses={**REFUSALS, **problems(RunTooLong, ProviderFailed)},
)
async def complete_chat(
    agent_id: PathId, body: ChatCreate, chat: Chat, request: Request
) -> ChatAnswer:
    """The same as the stream, in one JSON when it is whole."""
    run = await chat.start(AgentId(agent_id), body, request_id=request.state.request_id)
    return await whole_answer(run)


FEATURE = Feature("chat", router, open_runs)
