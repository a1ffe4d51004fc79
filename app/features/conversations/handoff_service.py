"""Handing conversations over to persons, their replies, and giving back."""

from app.core.ids import ConversationId
from app.features.conversations.errors import VisitorsOnlyAskForThemselves
from app.features.conversations.handoff_repository import HandoffRepository
from app.features.conversations.handoff_schemas import HandoffCreate, HandoffTake, OperatorReply
from app.features.conversations.schemas import Conversation, ConversationMessage
from app.features.conversations.service import ConversationService
from app.ports import Ports
from app.web.auth import Caller


class HandoffService:
    """The handoffs of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._caller = caller
        self._conversations = ConversationService(ports, caller)
        self._repository = HandoffRepository(ports.database, caller.organization_id)

    async def request(self, conversation_id: ConversationId, body: HandoffCreate) -> Conversation:
        """Ask for a person, unless one is asked for already.

        Raises:
            ConversationNotFound: there is no such conversation, or it is another visitor's.
            HandoffRefused: the agent does not let visitors ask for a person.
            VisitorsOnlyAskForThemselves: a visitor gives another reason than its own wish.
        """
        conversation = await self._conversations.get(conversation_id)
        visitor = self._caller.visitor
        if visitor is not None and body.reason != "customer_request":
            raise VisitorsOnlyAskForThemselves("Leave `reason` out.")
        handoff = {
            "reason": body.reason,
            "summary": body.summary or None,
            "summary_source": "caller" if body.summary else None,
            "requested_by": "visitor" if body.reason == "customer_request" else "operator",
        }
        return await self._repository.request(conversation, handoff, by_visitor=visitor is not None)

    async def take(self, conversation_id: ConversationId, body: HandoffTake) -> Conversation:
        """Say who answers.

        Raises:
            ConversationNotFound: there is no such conversation.
            NoHandoff: nobody has asked for a person.
            HandoffAlreadyTaken: somebody else was quicker.
        """
        conversation = await self._conversations.get(conversation_id)
        return await self._repository.take(conversation, body.operator or self._caller.actor)

    async def give_back(self, conversation_id: ConversationId) -> Conversation:
        """Let the agent answer again.

        Raises:
            ConversationNotFound: there is no such conversation.
            NoHandoff: it does already.
        """
        conversation = await self._conversations.get(conversation_id)
        return await self._repository.give_back(conversation)

    async def reply(
        self, conversation_id: ConversationId, body: OperatorReply
    ) -> ConversationMessage:
        """Write to the visitor.

        Raises:
            ConversationNotFound: there is no such conversation.
        """
        conversation = await self._conversations.get(conversation_id)
        return await self._repository.reply(conversation, body, actor=self._caller.actor)
