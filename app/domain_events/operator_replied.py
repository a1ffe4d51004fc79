"""A person has written to a visitor."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class OperatorReplied(EventData):
    """A person has written to a visitor in place of the agent."""

    conversation_id: str
    message_id: str
    agent_id: str
    visitor_id: str | None
    author_name: str | None
    content: str


EVENT = EventKind(
    "operator_replied",
    "A person has written to a visitor in place of the agent.",
    OperatorReplied(
        conversation_id=ID,
        message_id=ID,
        agent_id=ID,
        visitor_id="visitor-1",
        author_name="Ana",
        content="Olá! Sou a Ana, da equipe. Já vou ver o seu pedido.",
    ),
)
