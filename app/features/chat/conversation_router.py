"""The stream of one conversation, by which a visitor sees what persons write."""

from functools import partial
from typing import Annotated, cast

from fastapi import Depends, Path, Request

from app.core.ids import ConversationId
from app.core.schemas import Id
from app.features.conversations.errors import ConversationNotFound
from app.features.conversations.service import ConversationService
from app.features.events.audience import Listener
from app.features.events.conversation_frames import SHOWN_TYPES
from app.features.events.hub import Hub
from app.features.events.position import AfterNumber
from app.features.events.records import EventFilter, StreamLimits
from app.features.events.stream import DashboardStream
from app.web.auth import Authenticator, Caller, ConversationsReaderOrVisitor
from app.web.deps import OpenPorts
from app.web.limits import ServiceLimits, TooManyStreams
from app.web.live_stream import LiveStream
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("conversations", prefix="/api/v2/conversations")
EXAMPLE = (
    "retry: 2000\nid: 41\n\n"
    'event: status\nid: 42\ndata: {"event":"status","data":{"status":"human_requested",'
    '"is_taken":true},"conversation_id":"…","message_id":null,"run_id":null}\n\n'
    'event: message\ndata: {"event":"message","data":{"id":"…","role":"operator",'
    '"author_name":"Ana","created_at":"2026-11-23T20:31:00.123Z"},"conversation_id":"…",'
    '"message_id":"…","run_id":null}\n\n'
    'event: answer\ndata: {"event":"answer","data":"Ol\\u00e1! Sou a Ana.","conversation_id":"…",'
    '"message_id":"…","run_id":null}\n\n'
    'event: done\nid: 43\ndata: {"event":"done","data":{"conversation_id":"…","message_id":"…",'
    '"complete":true,"finish_reason":"operator"},"conversation_id":"…","message_id":"…",'
    '"run_id":null}\n\n'
)
STREAM = {
    "description": "`status`; and for each reply `message`, `answer`s and `done`.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
}


async def _listener(
    conversation_id: Annotated[Id, Path(description="The conversation's id.")],
    request: Request,
    ports: OpenPorts,
    caller: ConversationsReaderOrVisitor,
    service_limits: ServiceLimits,
) -> Listener:
    service = ConversationService(ports, caller)
    conversation = await service.get(ConversationId(conversation_id))
    limits = await service_limits.of(caller)
    credential = request.headers["authorization"].partition(" ")[2]
    authenticator: Authenticator = request.app.state.authenticator
    address = request.scope["state"]["client_address"]
    return Listener(
        caller=caller,
        credential=credential,
        authenticate=partial(authenticator.authenticate, credential, address=address),
        chosen=EventFilter(SHOWN_TYPES, conversation.agent_id, conversation.id),
        limits=StreamLimits(
            per_caller=limits.open_streams, per_organization=limits.organization_open_streams
        ),
        may_read=partial(_may_read, caller),
    )


def _may_read(before: Caller, now: Caller) -> bool:
    if before.visitor is not None:
        return now.visitor == before.visitor
    return now.may("conversations:read")


@router.get(
    "/{conversation_id:item}/stream",
    status_code=200,
    summary="Follow a conversation",
    response_class=LiveStream,
    responses={200: STREAM, **problems(ConversationNotFound, TooManyStreams)},
)
async def follow_conversation(
    request: Request, listener: Annotated[Listener, Depends(_listener)], after: AfterNumber
) -> LiveStream:
    """What persons write in the conversation as they write it, and its state; for a visitor too.

    A reply comes as `message` (who writes), its text in `answer`s and `done`, like an agent's
    answer; `status` tells that a person is asked for, has taken over, or that the agent answers
    again. Open the stream first and read the messages then. With the number of the last event
    (`Last-Event-ID`) it goes on after it, at any replica, and for the 7 days that events are kept;
    where they are gone it begins with `gap`. A widget's stream ends with its session: come again
    with a new one and the last number. Answers of the agent come on the streams of their runs.
    """
    hub = cast("Hub", request.app.state.features["events"])
    return LiveStream(DashboardStream(hub, listener, after=after))


FEATURE = Feature("conversation_streams", router)
