"""Handoffs and the replies of persons in the database."""

from typing import Any

from app.core.ids import OrganizationId, new_id
from app.domain_events import EVENTS
from app.domain_events.event import EventData
from app.domain_events.handoff_returned import HandoffReturned
from app.domain_events.handoff_taken import HandoffTaken
from app.domain_events.human_requested import HumanRequested
from app.domain_events.operator_replied import OperatorReplied
from app.features.conversations.errors import (
    ConversationNotFound,
    HandoffAlreadyTaken,
    HandoffRefused,
    NoHandoff,
)
from app.features.conversations.handoff_schemas import OperatorReply
from app.features.conversations.schemas import Conversation, ConversationMessage
from app.ports.store import Database


class HandoffRepository:
    """The handoffs of one organization."""

    def __init__(self, database: Database, organization_id: OrganizationId) -> None:
        self._scope = database.scoped(organization_id)

    async def request(
        self, conversation: Conversation, handoff: dict[str, Any], *, by_visitor: bool
    ) -> Conversation:
        """Ask for a person; `by_visitor` where the agent may have it refused."""
        result = await self._scope.call(
            "conversation_hand_over_v1",
            id=conversation.id,
            handoff=handoff,
            by_visitor=by_visitor,
            events=[requested(conversation, handoff)],
        )
        return _conversation(result)

    async def take(self, conversation: Conversation, operator: str) -> Conversation:
        result = await self._scope.call(
            "conversation_take_v1",
            id=conversation.id,
            operator=operator,
            events=[_taken(conversation, operator)],
        )
        return _conversation(result)

    async def give_back(self, conversation: Conversation) -> Conversation:
        result = await self._scope.call(
            "conversation_return_v1", id=conversation.id, events=[returned(conversation)]
        )
        return _conversation(result)

    async def reply(
        self, conversation: Conversation, reply: OperatorReply, *, actor: str
    ) -> ConversationMessage:
        """Keep and announce it; whoever replies to what nobody has taken takes it."""
        message_id = new_id()
        operator = reply.author_name or actor
        fact = OperatorReplied(
            message_id=message_id,
            author_name=reply.author_name,
            content=reply.content,
            **_names(conversation),
        )
        result = await self._scope.call(
            "conversation_reply_v1",
            id=conversation.id,
            message={
                "id": message_id,
                "content": reply.content,
                "metadata": {"author": actor, "author_name": reply.author_name},
            },
            operator=operator,
            events=[_taken(conversation, operator), _fact("operator_replied", conversation, fact)],
        )
        _refuse(result)
        return ConversationMessage.model_validate(result["message"] | {"feedback": None})


def requested(conversation: Conversation, handoff: dict[str, Any]) -> dict[str, Any]:
    """The fact that a person is asked for; the database puts in the summary."""
    data = HumanRequested(
        reason=handoff["reason"],
        requested_by=handoff["requested_by"],
        summary="",
        summary_source="last_messages",
        **_names(conversation),
    )
    return _fact("human_requested", conversation, data)


def returned(conversation: Conversation) -> dict[str, Any]:
    """The fact that the agent answers again."""
    return _fact("handoff_returned", conversation, HandoffReturned(**_names(conversation)))


def _taken(conversation: Conversation, operator: str) -> dict[str, Any]:
    data = HandoffTaken(taken_by=operator, **_names(conversation))
    return _fact("handoff_taken", conversation, data)


def _names(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": conversation.id,
        "agent_id": conversation.agent_id,
        "visitor_id": conversation.visitor_id,
    }


def _fact(name: str, conversation: Conversation, data: EventData) -> dict[str, Any]:
    return EVENTS[name].of(data, agent_id=conversation.agent_id)


def _conversation(result: dict[str, Any]) -> Conversation:
    _refuse(result)
    return Conversation.model_validate(result["conversation"])


def _refuse(result: dict[str, Any]) -> None:
    match result["outcome"]:
        case "not_found":
            raise ConversationNotFound
        case "refused":
            raise HandoffRefused("The agent's `handoff.by_visitor` is false.")
        case "no_handoff":
            raise NoHandoff("Its status is not `human_requested`.")
        case "taken":
            raise HandoffAlreadyTaken(
                "Have it given back to the agent first.", taken_by=result["taken_by"]
            )
        case _:
            return
