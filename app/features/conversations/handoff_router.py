"""Routes under /api/v2/conversations/{conversation_id} by which persons answer."""

from typing import Annotated

from fastapi import Depends, Path, Response

from app.core.ids import ConversationId
from app.core.schemas import Id
from app.features.conversations.errors import (
    ConversationNotFound,
    HandoffAlreadyTaken,
    HandoffRefused,
    NoHandoff,
    VisitorsOnlyAskForThemselves,
)
from app.features.conversations.handoff_schemas import HandoffCreate, HandoffTake, OperatorReply
from app.features.conversations.handoff_service import HandoffService
from app.features.conversations.schemas import Conversation, ConversationMessage
from app.web.auth import ChatterOrVisitor, ConversationsWriter
from app.web.deps import OpenPorts
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("conversations", prefix="/api/v2/conversations/{conversation_id:item}")
PathId = Annotated[Id, Path(description="The conversation's id.")]


async def _asking(ports: OpenPorts, caller: ChatterOrVisitor) -> HandoffService:
    return HandoffService(ports, caller)


async def _answering(ports: OpenPorts, caller: ConversationsWriter) -> HandoffService:
    return HandoffService(ports, caller)


Asking = Annotated[HandoffService, Depends(_asking)]
Answering = Annotated[HandoffService, Depends(_answering)]


@router.post(
    "/handoff",
    summary="Ask for a person",
    responses=problems(ConversationNotFound, HandoffRefused, VisitorsOnlyAskForThemselves),
)
@done_once
async def request_handoff(
    conversation_id: PathId, body: HandoffCreate, handoffs: Asking
) -> Conversation:
    """From now on the agent is silent, until the conversation is given back to it.

    What the visitor writes meanwhile is kept and announced (`message_received`), and its stream
    says at once that a person was asked. Announced as `human_requested`, with the reason and a
    summary. Where a person is asked for already, nothing changes.
    """
    return await handoffs.request(ConversationId(conversation_id), body)


@router.post(
    "/handoff/take",
    summary="Take a conversation over",
    responses=problems(ConversationNotFound, NoHandoff, HandoffAlreadyTaken),
)
@done_once
async def take_handoff(
    conversation_id: PathId, body: HandoffTake, handoffs: Answering
) -> Conversation:
    """Say who answers; only the first who takes it does, and again changes nothing."""
    return await handoffs.take(ConversationId(conversation_id), body)


@router.post(
    "/handoff/return",
    summary="Give a conversation back to its agent",
    responses=problems(ConversationNotFound, NoHandoff),
)
@done_once
async def return_handoff(conversation_id: PathId, handoffs: Answering) -> Conversation:
    """The agent answers the next message, and reads what persons have written before it."""
    return await handoffs.give_back(ConversationId(conversation_id))


@router.post(
    "/messages",
    status_code=201,
    summary="Reply as a person",
    responses=problems(ConversationNotFound),
)
async def reply(
    conversation_id: PathId, body: OperatorReply, handoffs: Answering, response: Response
) -> ConversationMessage:
    """Write to the visitor, whose stream of the conversation shows it at once.

    Whoever replies where a person is asked for and nobody has taken over, takes over by that. An
    agent that is not silent stays so: hand the conversation over first to answer in its place.
    """
    message = await handoffs.reply(ConversationId(conversation_id), body)
    response.headers["Location"] = f"/api/v2/conversations/{conversation_id}/messages"
    return message


FEATURE = Feature("handoffs", router)
