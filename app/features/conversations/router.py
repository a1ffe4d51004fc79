"""Routes under /api/v2/conversations."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query

from app.core.ids import ConversationId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, Moment
from app.features.conversations.errors import ConversationNotFound
from app.features.conversations.repository import created_between
from app.features.conversations.schemas import (
    Conversation,
    ConversationMessage,
    ConversationUpdate,
)
from app.features.conversations.service import ConversationService
from app.web.auth import ConversationsReader, ConversationsWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("conversations", prefix="/api/v2/conversations")
PathId = Annotated[Id, Path(description="The conversation's id.")]


async def _readable(ports: OpenPorts, caller: ConversationsReader) -> ConversationService:
    return ConversationService(ports, caller)


async def _writable(ports: OpenPorts, caller: ConversationsWriter) -> ConversationService:
    return ConversationService(ports, caller)


Readable = Annotated[ConversationService, Depends(_readable)]
Writable = Annotated[ConversationService, Depends(_writable)]


def _filters(
    agent_id: Annotated[Id | None, Query(description="With this agent.")] = None,
    status: Annotated[
        Literal["active", "resolved"] | None, Query(description="In this state.")
    ] = None,
    visitor_id: Annotated[
        str | None, Query(max_length=200, description="Of this visitor, as you named it.")
    ] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Begun at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Begun before this moment.")] = None,
) -> dict[str, Any]:
    equal = {"agent_id": agent_id, "status": status, "visitor_id": visitor_id}
    chosen = {name: value for name, value in equal.items() if value is not None}
    return chosen | created_between(from_, to)


@router.get("", summary="List conversations", responses=problems(InvalidCursor))
async def list_conversations(
    ports: OpenPorts,
    caller: ConversationsReader,
    conversations: Readable,
    where: Annotated[dict[str, Any], Depends(_filters)],
    q: Annotated[str | None, Query(max_length=200, description="In the title.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Conversation]:
    """Conversations, newest first."""
    pages = cursors(ports, caller, "conversations", q, where)
    rows = await conversations.page(limit=limit + 1, after=pages.open(cursor), q=q, where=where)
    return pages.page(rows, limit, lambda row: row.id)


@router.get(
    "/{conversation_id}", summary="Read a conversation", responses=problems(ConversationNotFound)
)
async def get_conversation(conversation_id: PathId, conversations: Readable) -> Conversation:
    """One conversation."""
    return await conversations.get(ConversationId(conversation_id))


@router.patch(
    "/{conversation_id}", summary="Change a conversation", responses=problems(ConversationNotFound)
)
async def update_conversation(
    conversation_id: PathId, body: ConversationUpdate, conversations: Writable
) -> Conversation:
    """Its title, status or metadata; the next message of the visitor makes it `active` again."""
    return await conversations.update(ConversationId(conversation_id), body)


@router.delete(
    "/{conversation_id}",
    status_code=204,
    summary="Delete a conversation",
    responses=problems(ConversationNotFound),
)
async def delete_conversation(conversation_id: PathId, conversations: Writable) -> None:
    """The conversation with all its messages, for good."""
    await conversations.delete(ConversationId(conversation_id))


@router.get(
    "/{conversation_id}/messages",
    summary="List the messages of a conversation",
    responses=problems(ConversationNotFound, InvalidCursor),
)
async def list_messages(
    conversation_id: PathId,
    ports: OpenPorts,
    caller: ConversationsReader,
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


FEATURE = Feature("conversations", router)
