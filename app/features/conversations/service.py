"""What can be done with conversations."""

from typing import Any

from app.core.ids import ConversationId, MessageId
from app.features.conversations.errors import ConversationNotFound
from app.features.conversations.repository import ConversationRepository
from app.features.conversations.schemas import (
    Conversation,
    ConversationMessage,
    ConversationUpdate,
    Feedback,
    FeedbackGive,
)
from app.ports import Ports
from app.web.auth import Caller

# What a handoff says that was begun by a change of the status.
BY_DECISION = {"reason": "policy_restriction", "requested_by": "operator"}
# Of a message's metadata, what a visitor sees: who of the team has written it.
_SHOWN = ("author_name",)


class ConversationService:
    """Conversations of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._caller, self._visitor = caller, caller.visitor
        self._repository = ConversationRepository(ports.database, caller.organization_id)

    async def page(
        self, *, limit: int, after: str | None, q: str | None, where: dict[str, Any]
    ) -> list[Conversation]:
        """Newest first, after the conversation with that id; a visitor gets its own."""
        if self._visitor is not None:
            mine = {"agent_id": self._visitor.agent_id, "visitor_id": self._visitor.visitor_id}
            where = where | mine
        return await self._repository.page(limit=limit, after=after, text=q, where=where)

    async def get(self, conversation_id: ConversationId) -> Conversation:
        """One conversation.

        Raises:
            ConversationNotFound: this organization has no such conversation.
        """
        conversation = await self._repository.find(conversation_id)
        if conversation is None or not self._may_see(conversation):
            raise ConversationNotFound
        return conversation

    def _may_see(self, conversation: Conversation) -> bool:
        visitor = self._visitor
        return visitor is None or (
            conversation.agent_id == visitor.agent_id
            and conversation.visitor_id == visitor.visitor_id
        )

    async def update(
        self,
        conversation_id: ConversationId,
        body: ConversationUpdate,
        *,
        expected_versions: list[int] | None,
    ) -> Conversation:
        """The conversation with the sent fields changed.

        Raises:
            ConversationNotFound: this organization has no such conversation.
            ConversationVersionMismatch: it has another version than expected.
        """
        before = await self.get(conversation_id)
        changes = body.model_dump(mode="json", include=body.model_fields_set)
        if changes.get("status") == "human_requested":
            changes["handoff"] = BY_DECISION
        return await self._repository.update(before, changes, expected_versions=expected_versions)

    async def delete(self, conversation_id: ConversationId) -> None:
        """Delete the conversation with its messages and runs."""
        if not await self._repository.delete(conversation_id):
            raise ConversationNotFound

    async def messages(
        self, conversation_id: ConversationId, *, limit: int, after: str | None
    ) -> list[ConversationMessage]:
        """Oldest first, after the message with that id; a visitor gets texts and sources."""
        await self.get(conversation_id)
        person = None if self._visitor is None else self._caller.actor
        found = await self._repository.messages(
            conversation_id, limit=limit, after=after, person=person
        )
        if self._visitor is None:
            return found
        return [_for_visitor(one) for one in found]

    async def give_feedback(
        self, conversation_id: ConversationId, message_id: MessageId, body: FeedbackGive
    ) -> Feedback:
        """What the caller thinks of an answer; it replaces what it thought before.

        Raises:
            ConversationNotFound: there is no such conversation, or it is another visitor's.
            MessageNotFound: it has no such message.
            NotAnAnswer: the message is no answer.
        """
        conversation = await self.get(conversation_id)
        return await self._repository.give_feedback(
            conversation, message_id, body, person=self._caller.actor
        )


def _for_visitor(message: ConversationMessage) -> ConversationMessage:
    shown = {name: message.metadata[name] for name in _SHOWN if message.metadata.get(name)}
    return message.model_copy(update={"metadata": shown, "tool_calls": []})
