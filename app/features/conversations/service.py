"""What can be done with conversations."""

from typing import Any

from app.core.ids import ConversationId
from app.features.conversations.errors import ConversationNotFound
from app.features.conversations.repository import ConversationRepository
from app.features.conversations.schemas import (
    Conversation,
    ConversationMessage,
    ConversationUpdate,
)
from app.ports import Ports
from app.web.auth import Caller


class ConversationService:
    """Conversations of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._repository = ConversationRepository(ports.database, caller.organization_id)

    async def page(
        self, *, limit: int, after: str | None, q: str | None, where: dict[str, Any]
    ) -> list[Conversation]:
        """Newest first, after the conversation with that id."""
        return await self._repository.page(limit=limit, after=after, text=q, where=where)

    async def get(self, conversation_id: ConversationId) -> Conversation:
        """One conversation.

        Raises:
            ConversationNotFound: this organization has no such conversation.
        """
        conversation = await self._repository.find(conversation_id)
        if conversation is None:
            raise ConversationNotFound
        return conversation

    async def update(
        self, conversation_id: ConversationId, body: ConversationUpdate
    ) -> Conversation:
        """The conversation with the sent fields changed."""
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        conversation = await self._repository.update(conversation_id, changes)
        if conversation is None:
            raise ConversationNotFound
        return conversation

    async def delete(self, conversation_id: ConversationId) -> None:
        """Delete the conversation with its messages and runs."""
        if not await self._repository.delete(conversation_id):
            raise ConversationNotFound

    async def messages(
        self, conversation_id: ConversationId, *, limit: int, after: str | None
    ) -> list[ConversationMessage]:
        """Oldest first, after the message with that id."""
        await self.get(conversation_id)
        return await self._repository.messages(conversation_id, limit=limit, after=after)
