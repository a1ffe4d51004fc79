"""Conversations and messages in the database."""

from datetime import datetime
from typing import Any

from app.core.ids import ConversationId, MessageId, OrganizationId, new_id
from app.core.schemas import rfc3339
from app.domain_events import EVENTS
from app.domain_events.conversation_resolved import ConversationResolved
from app.domain_events.feedback_received import FeedbackReceived
from app.features.conversations.errors import (
    ConversationNotFound,
    ConversationVersionMismatch,
    MessageNotFound,
    NotAnAnswer,
)
from app.features.conversations.handoff_repository import requested, returned
from app.features.conversations.schemas import (
    Conversation,
    ConversationMessage,
    Feedback,
    FeedbackGive,
)
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
        self,
        before: Conversation,
        changes: dict[str, Any],
        *,
        expected_versions: list[int] | None,
    ) -> Conversation:
        resolved = ConversationResolved(conversation_id=before.id, agent_id=before.agent_id)
        facts = [
            EVENTS["conversation_resolved"].of(resolved, agent_id=before.agent_id),
            returned(before),
        ]
        if "handoff" in changes:
            facts.append(requested(before, changes["handoff"]))
        result = await self._scope.call(
            "conversation_update_v2",
            id=before.id,
            changes=changes,
            expected_versions=expected_versions,
            events=facts,
        )
        return _changed(result)

    async def delete(self, conversation_id: ConversationId) -> bool:
        return bool(
            await self._scope.call("row_delete_v1", table="conversations", id=conversation_id)
        )

    async def messages(
        self, conversation_id: ConversationId, *, limit: int, after: str | None, person: str | None
    ) -> list[ConversationMessage]:
        """Oldest first; with the feedback of that person, or else the newest there is."""
        rows = await self._scope.call(
            "messages_page_v1",
            conversation_id=conversation_id,
            limit=limit,
            after=after,
            person=person,
        )
        return [ConversationMessage.model_validate(row) for row in rows]

    async def give_feedback(
        self, conversation: Conversation, message_id: MessageId, body: FeedbackGive, *, person: str
    ) -> Feedback:
        """Keep it in place of what the person thought before."""
        given = body.model_dump(mode="json")
        fact = FeedbackReceived(
            conversation_id=conversation.id,
            message_id=message_id,
            agent_id=conversation.agent_id,
            visitor_id=conversation.visitor_id,
            **given,
        )
        ids = {
            "id": new_id(),
            "conversation_id": conversation.id,
            "message_id": message_id,
            "agent_id": conversation.agent_id,
            "given_by": person,
        }
        result = await self._scope.call(
            "feedback_give_v1",
            feedback=given | ids,
            events=[EVENTS["feedback_received"].of(fact, agent_id=conversation.agent_id)],
        )
        match result["outcome"]:
            case "message_not_found":
                raise MessageNotFound
            case "no_answer":
                raise NotAnAnswer("Rate a message whose role is `assistant` or `operator`.")
            case _:
                return Feedback.model_validate(result["feedback"])


def _changed(result: dict[str, Any]) -> Conversation:
    match result["outcome"]:
        case "not_found":
            raise ConversationNotFound
        case "version_mismatch":
            raise ConversationVersionMismatch(
                f"The conversation is at version {result['version']} now; read it again.",
                version=result["version"],
            )
        case _:
            return Conversation.model_validate(result["conversation"])


def created_between(start: datetime | None, end: datetime | None) -> dict[str, Any]:
    """The condition on `created_at` from a moment on and before another."""
    bounds = {
        name: rfc3339(moment)
        for name, moment in (("gte", start), ("lt", end))
        if moment is not None
    }
    return {"created_at": bounds} if bounds else {}
