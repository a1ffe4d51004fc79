"""Starts runs: checks everything that can be refused, commits, then lets the engine work."""

from app.core.ids import AgentId, ConversationId, MessageId, RunId, new_id
from app.features.agents.schemas import Agent
from app.features.agents.service import AgentService
from app.features.chat.engine import RunEngine
from app.features.chat.errors import AgentInactive
from app.features.chat.repository import RunBegin, RunIds, RunRepository
from app.features.chat.run import Run
from app.features.chat.schemas import ChatAnswer, ChatCreate
from app.features.chat.turn import TurnPlan
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.ports.llm import Message
from app.web.auth import Caller

TITLE_CHARS = 80


class ChatService:
    """Chats of the caller with its agents."""

    def __init__(self, ports: Ports, caller: Caller, engine: RunEngine) -> None:
        self._ports, self._caller, self._engine = ports, caller, engine
        self._agents = AgentService(ports, caller)

    async def start(self, agent_id: AgentId, body: ChatCreate, *, request_id: str | None) -> Run:
        """Begin to answer. The user's message is durable when this returns.

        Raises:
            AgentNotFound, AgentInactive, ConversationNotFound: there is nobody to talk to.
            UnknownModel, ProviderNotConfigured: the model cannot be used.
            ScopeMissing: the caller may not give instructions.
            ServerStopping: this process takes nothing new.
        """
        self._engine.refuse_when_stopping()
        if body.gives_instructions:
            self._caller.require("agents:write")
        agent = await self._agents.get(agent_id)
        if not agent.is_active:
            raise AgentInactive("Set the agent's `is_active` to true to chat with it.")
        model_id = body.model_id or agent.model_id
        model = self._ports.models.usable(model_id)
        begin = self._begin(agent, body, model_id)
        repository = RunRepository(self._ports.database, self._caller.organization_id)
        stored = await repository.start(begin)
        plan = TurnPlan(
            agent=agent,
            model=model,
            instructions=_instructions(agent, body),
            history=stored + _sent_history(body),
            question=body.question,
            context_data=body.context_data,
            temperature=agent.temperature if body.temperature is None else body.temperature,
            max_tokens=body.max_tokens or agent.max_tokens,
        )
        knowledge = KnowledgeService(self._ports, self._caller)
        return self._engine.start(begin.ids, plan, knowledge, request_id)

    def _begin(self, agent: Agent, body: ChatCreate, model_id: str) -> RunBegin:
        rows = [
            {"id": new_id(), "role": m.role, "content": m.content, "status": "complete"}
            for m in [*_sent_history(body), Message("user", body.question)]
        ]
        # The answer's row comes last, so that messages stand in the order of their ids.
        answer_id = new_id()
        rows.append({"id": answer_id, "role": "assistant", "content": "", "status": "incomplete"})
        ids = RunIds(
            organization_id=self._caller.organization_id,
            run_id=RunId(new_id()),
            agent_id=AgentId(agent.id),
            conversation_id=ConversationId(body.conversation_id or new_id()),
            message_id=MessageId(answer_id),
        )
        return RunBegin(
            ids=ids,
            agent_version=agent.version,
            owner_id=self._engine.process_id,
            model_id=model_id,
            is_new_conversation=body.conversation_id is None,
            visitor_id=body.visitor_id,
            title=" ".join(body.question.split())[:TITLE_CHARS] or "…",
            messages=rows,
        )


def _sent_history(body: ChatCreate) -> list[Message]:
    """What the client says was said before; a stored conversation knows better."""
    if body.conversation_id is not None:
        return []
    return [
        Message(message.role, message.content)
        for message in body.messages[:-1]
        if message.role != "system"
    ]


def _instructions(agent: Agent, body: ChatCreate) -> list[str]:
    own = body.system_prompt_override
    added = [message.content for message in body.messages if message.role == "system"]
    return [agent.system_prompt if own is None else own, *added]


async def whole_answer(run: Run) -> ChatAnswer:
    """The answer once the run has ended.

    Raises:
        Problem: why the run failed; what was written stays in the conversation.
    """
    await run.ended.wait()
    if run.problem is not None:
        raise run.problem
    return ChatAnswer(
        answer=run.text,
        conversation_id=run.ids.conversation_id,
        message_id=run.ids.message_id,
        run_id=run.ids.run_id,
        sources=run.sources,
        tool_calls=[],
        metadata=run.metadata,
        finish_reason=run.finish_reason,
    )
