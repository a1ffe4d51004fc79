"""All conversations and messages of an organization, some hundreds at a time."""

from collections.abc import AsyncIterator
from typing import Any

from app.core.ids import OrganizationId
from app.core.schemas import Id, example, example_of
from app.features.conversations.schemas import Conversation, ConversationMessage
from app.ports.store import Database

# Few enough that turning them into text holds nobody else up.
AT_ONCE = 200
ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class ExportedMessage(ConversationMessage):
    """A message and whose it is."""

    model_config = example(
        **example_of(ConversationMessage).model_dump(mode="json"),
        conversation_id=ID,
        agent_id=ID,
        visitor_id="visitante-1",
    )

    conversation_id: Id
    agent_id: Id
    visitor_id: str | None


class ConversationExports:
    """Reads as it is read: what was sent is held no longer."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def conversations(
        self, *, text: str | None, where: dict[str, Any]
    ) -> AsyncIterator[list[Conversation]]:
        """Oldest first; the first page may be empty."""
        after: str | None = None
        while True:
            rows = await self._scope.call(
                "rows_find_v1",
                table="conversations",
                where=where,
                limit=AT_ONCE,
                text=text,
                after=after,
                descending=False,
            )
            yield [Conversation.model_validate(row) for row in rows]
            if len(rows) < AT_ONCE:
                return
            after = rows[-1]["id"]

    async def messages(
        self, *, text: str | None, where: dict[str, Any]
    ) -> AsyncIterator[list[ExportedMessage]]:
        """One conversation after the other, each from its beginning."""
        async for found in self.conversations(text=text, where=where):
            ids = [conversation.id for conversation in found]
            async for page in self._messages_of(ids):
                yield page

    async def _messages_of(self, ids: list[str]) -> AsyncIterator[list[ExportedMessage]]:
        after: dict[str, str] | None = None
        while True:
            rows = await self._scope.call(
                "messages_export_v1", conversations=ids, limit=AT_ONCE, after=after
            )
            yield [ExportedMessage.model_validate(row) for row in rows]
            if len(rows) < AT_ONCE:
                return
            after = {name: rows[-1][name] for name in ("conversation_id", "id")}
