"""Routes under /api/v2/conversations."""

from typing import Annotated

from fastapi import Depends, Path, Response

from app.core.ids import ConversationId, MessageId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.features.conversations.errors import (
    ConversationNotFound,
    ConversationVersionMismatch,
    MessageNotFound,
    NotAnAnswer,
)
from app.features.conversations.filters import Sought, Where
from app.features.conversations.schemas import (
    Conversation,
    ConversationMessage,
    ConversationUpdate,
    Feedback,
    FeedbackGive,
)
from app.features.conversations.service import ConversationService
from app.web.auth import ChatterOrVisitor, ConversationsReaderOrVisitor, ConversationsWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.etags import IfMatch, etag, expected_versions
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("conversations", prefix="/api/v2/conversations")
PathId = Annotated[Id, Path(description="The conversation's id.")]


async def _readable(ports: OpenPorts, caller: ConversationsReaderOrVisitor) -> ConversationService:
    return ConversationService(ports, caller)


async def _rateable(ports: OpenPorts, caller: ChatterOrVisitor) -> ConversationService:
    return ConversationService(ports, caller)


async def _writable(ports: OpenPorts, caller: ConversationsWriter) -> ConversationService:
    return ConversationService(ports, caller)


Readable = Annotated[ConversationService, Depends(_readable)]
Rateable = Annotated[ConversationService, Depends(_rateable)]
Writable = Annotated[ConversationService, Depends(_writable)]


@router.get("", summary="List conversations", responses=problems(InvalidCursor))
async def list_conversations(
    ports: OpenPorts,
    caller: ConversationsReaderOrVisitor,
    conversations: Readable,
    where: Where,
    q: Sought = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Conversation]:
    """Conversations, newest first."""
    pages = cursors(ports, caller, "conversations", q, where)
    rows = await conversations.page(limit=limit + 1, after=pages.open(cursor), q=q, where=where)
    return pages.page(rows, limit, lambda row: row.id)


@router.get(
    "/{conversation_id:item}",
    summary="Read a conversation",
    responses=problems(ConversationNotFound),
)
async def get_conversation(
    conversation_id: PathId, conversations: Readable, response: Response
) -> Conversation:
    """One conversation; `ETag` is its version."""
    found = await conversations.get(ConversationId(conversation_id))
    response.headers.update(etag(found.version))
    return found


@router.patch(
    "/{conversation_id:item}",
    summary="Change a conversation",
    responses=problems(ConversationNotFound, ConversationVersionMismatch),
)
async def update_conversation(
    conversation_id: PathId,
    body: ConversationUpdate,
    conversations: Writable,
    response: Response,
    if_match: IfMatch = None,
) -> Conversation:
    """Its title, status or metadata; what is resolved the visitor's next message makes `active`.

    `human_requested` asks for a person with the reason `policy_restriction`, as it is you who
    decides; `POST …/handoff` takes any reason.
    """
    changed = await conversations.update(
        ConversationId(conversation_id), body, expected_versions=expected_versions(if_match)
    )
    response.headers.update(etag(changed.version))
    return changed


@router.delete(
    "/{conversation_id:item}",
    status_code=204,
    summary="Delete a conversation",
    responses=problems(ConversationNotFound),
)
async def delete_conversation(conversation_id: PathId, conversations: Writable) -> None:
    """The conversation with all its messages, for good."""
    await conversations.delete(ConversationId(conversation_id))


@router.get(
    "/{conversation_id:item}/messages",
    summary="List the messages of a conversation",
    responses=problems(ConversationNotFound, InvalidCursor),
)
async def list_messages(
    conversation_id: PathId,
    ports: OpenPorts,
    caller: ConversationsReaderOrVisitor,
    conversations: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[ConversationMessage]:
    """Messages, oldest first."""
    pages = cursors(ports, caller, "messages", conversation_id)
    rows = await conversations.messages(
        ConversationId(conversation_id), limit=limit + 1, after=pages.open(cursor)
    )
    return pages.page(rows, limit, lambda row: row.id)


@router.post(
    "/{conversation_id:item}/messages/{message_id}/feedback",
    summary="Rate an answer",
    responses=problems(ConversationNotFound, MessageNotFound, NotAnAnswer),
)
async def give_feedback(
    conversation_id: PathId,
    message_id: Annotated[Id, Path(description="The answer's id.")],
    body: FeedbackGive,
    conversations: Rateable,
) -> Feedback:
    """What you think of an answer: once a person, and what comes later replaces it.

    A person is the caller: a visitor by its widget session, or a user or an API key. Announced as
    `feedback_received`, unless nothing is different from before.
    """
    return await conversations.give_feedback(
        ConversationId(conversation_id), MessageId(message_id), body
    )


FEATURE = Feature("conversations", router)
