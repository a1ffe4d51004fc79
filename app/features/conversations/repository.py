"""Conversations and messages in the database."""

from datetime import datetime
from typing import Any

from app.core.ids import ConversationId, OrganizationId
from app.core.schemas import rfc3339
from app.domain_events import EVENTS
from app.domain_events.conversation_resolved import ConversationResolved
from app.features.conversations.schemas import Conversation, ConversationMessage
from app.ports.store import Database


class ConversationRepository:
    """The conversations of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def page(
        self, *, limit: int, after: str | None, text: str | None, where: dict[str, Any]
    ) -> list[Conversation]:
        rows = await self._scope.call(
            "rows_find_v1", table="conversations", where=where, limit=limit, text=text, after=after
        )
        return [Conversation.model_validate(row) for row in rows]

    async def find(self, conversation_id: ConversationId) -> Conversation | None:
        rows = await self._scope.call(
            "rows_find_v1", table="conversations", where={"id": conversation_id}, limit=1
        )
        return Conversation.model_validate(rows[0]) if rows else None

    async def update(
        self, conversation_id: ConversationId, changes: dict[str, Any]
    ) -> Conversation | None:
        resolved = EVENTS["conversation_resolved"].of(
            ConversationResolved(conversation_id=conversation_id)
        )
        row = await self._scope.call(
            "conversation_update_v1", id=conversation_id, changes=changes, events=[resolved]
        )
        return None if row is None else Conversation.model_validate(row)

    async def delete(self, conversation_id: ConversationId) -> bool:
        return bool(
            await self._scope.call("row_delete_v1", table="conversations", id=conversation_id)
        )

    async def messages(
        self, conversation_id: ConversationId, *, limit: int, after: str | None
    ) -> list[ConversationMessage]:
        rows = await self._scope.call(
            "rows_find_v1",
            table="messages",
            where={"conversation_id": conversation_id},
            limit=limit,
            after=after,
            descending=False,
        )
        return [ConversationMessage.model_validate(row) for row in rows]


def created_between(start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """The condition on `created_at` from a moment on and before another."""
    bounds = {
        name: rfc3339(moment)
        for name, moment in (("gte", start), ("lt", end))
        if moment is not None
    }
    return {"created_at": bounds} if bounds else {}
