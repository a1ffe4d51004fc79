"""Starts runs: checks everything that can be refused, commits, then lets the engine work."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from app.core.ids import AgentId, ConversationId, MessageId, RunId, new_id
from app.features.agents.schemas import Agent
from app.features.agents.service import AgentService
from app.features.chat.engine import RunEngine
from app.features.chat.errors import AgentInactive
from app.features.chat.records import Joined, RunBegin, RunIds, RunKey, Started, StoredRun
from app.features.chat.repository import AgentChanged, RunRepository
from app.features.chat.run import Run
from app.features.chat.schemas import ChatCreate
from app.features.chat.turn import TurnPlan
from app.features.chat.viewing import Viewing
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.ports.llm import Message
from app.web.auth import Caller
from app.web.idempotency import fingerprint

TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A message to an agent as it came: `route` and `key` tell whether it came before."""

    agent_id: AgentId
    body: ChatCreate
    route: str
    key: str | None
    request_id: str | None


class ChatService:
    """Chats of the caller with its agents."""

    def __init__(self, ports: Ports, caller: Caller, engine: RunEngine) -> None:
        self._ports, self._caller, self._engine = ports, caller, engine
        self._agents = AgentService(ports, caller)
        self._repository = RunRepository(ports.database, caller.organization_id)

    async def start(self, request: ChatRequest) -> Run | Joined:
        """Begin to answer, or find the run that the same request began before.

        The user's message is durable when this returns.

        Raises:
            AgentNotFound, AgentInactive, ConversationNotFound: there is nobody to talk to.
            UnknownModel, ProviderNotConfigured: the model cannot be used.
            ScopeMissing: the caller may not give instructions.
            IdempotencyKeyReused: the key belongs to a different request.
            ServerStopping: this process takes nothing new.
        """
        self._engine.refuse_when_stopping()
        if request.body.gives_instructions:
            self._caller.require("agents:write")
        agent = await self._agents.current(request.agent_id)
        try:
            return await self._start(request, agent)
        except AgentChanged:
            # Another process has changed it since it was read; this reads it anew.
            agent = await self._agents.current(request.agent_id, changed=True)
            return await self._start(request, agent)

    async def _start(self, request: ChatRequest, agent: Agent) -> Run | Joined:
        body = request.body
        if not agent.is_active:
            raise AgentInactive("Set the agent's `is_active` to true to chat with it.")
        model_id = body.model_id or agent.model_id
        model = self._ports.models.usable(model_id)
        begin = self._begin(request, agent, model_id)
        match await self._repository.start(begin):
            case Joined() as joined:
                return joined
            case Started(stored):
                history = stored + _sent_history(body)
        plan = TurnPlan(
            agent=agent,
            model=model,
            instructions=_instructions(agent, body),
            history=history,
            question=body.question,
            context_data=body.context_data,
            temperature=agent.temperature if body.temperature is None else body.temperature,
            max_tokens=body.max_tokens or agent.max_tokens,
            on_disconnect=body.on_disconnect,
        )
        knowledge = KnowledgeService(self._ports, self._caller)
        return self._engine.start(begin.ids, plan, knowledge, request.request_id)

    def follow(self, run: StoredRun) -> AsyncGenerator[bytes]:
        """The whole stream of a run that was joined."""
        viewing = Viewing(self._ports, self._repository)
        return viewing.follow(run, after=0, whole=True)

    def _begin(self, request: ChatRequest, agent: Agent, model_id: str) -> RunBegin:
        body = request.body
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
            key=self._key(request),
        )

    def _key(self, request: ChatRequest) -> RunKey | None:
        if request.key is None:
            return None
        fields = request.body.model_dump(mode="json")
        actor = self._caller.actor
        return RunKey(request.key, fingerprint(actor=actor, route=request.route, body=fields))


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
