"""What a client sends beside the question, as the model is to read it."""

from app.features.agents.schemas import Agent
from app.features.chat.handoff import OPERATOR_MARK, OPERATOR_RULE
from app.features.chat.schemas import ChatCreate
from app.ports.llm import Message


def sent_history(body: ChatCreate) -> list[Message]:
    """What the client says was said before; a stored conversation knows better."""
    if body.conversation_id is not None:
        return []
    return [
        Message(message.role, message.content)
        for message in body.messages[:-1]
        if message.role != "system"
    ]


def instructions_of(agent: Agent, body: ChatCreate, stored: list[Message]) -> list[str]:
    """What the model is told to be: by the agent, and by whoever may say more with a message."""
    own = body.system_prompt_override
    added = [message.content for message in body.messages if message.role == "system"]
    if any(message.content.startswith(OPERATOR_MARK) for message in stored):
        added.append(OPERATOR_RULE)
    return [agent.system_prompt if own is None else own, *added]
