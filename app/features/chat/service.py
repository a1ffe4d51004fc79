"""Starts runs: checks everything that can be refused, commits, then lets the engine work."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from functools import partial

from app.core.ids import AgentId, ConversationId, MessageId, RunId, new_id
from app.features.agents.schemas import Agent
from app.features.agents.service import AgentService
from app.features.chat.engine import RunEngine
from app.features.chat.errors import AgentInactive, BudgetExceeded
from app.features.chat.handing_over import USAGE_LIMIT
from app.features.chat.leading import handed_over_at_once
from app.features.chat.purse import Purse
from app.features.chat.records import Joined, RunBegin, RunIds, RunKey, Started, StoredRun
from app.features.chat.repository import AgentChanged, RunRepository
from app.features.chat.run import Run
from app.features.chat.run_hands import run_hands
from app.features.chat.schemas import ChatCreate
from app.features.chat.sent import instructions_of, sent_history
from app.features.chat.spending import bounds_of, expected_input
from app.features.chat.turn import TurnPlan
from app.features.chat.viewing import Viewing
from app.features.chat.visitors import asked_by
from app.features.knowledge.service import KnowledgeService
from app.features.models.known import KnownModels
from app.features.organizations.chosen import Chosen
from app.features.organizations.known import KnownSettings
from app.ports import Ports
from app.ports.llm import Message, ResolvedModel
from app.ports.run_buffers import Tap
from app.web.auth import Caller
from app.web.idempotency import fingerprint, kept_key

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
        self._settings = KnownSettings(ports)
        self._models = KnownModels(ports, caller.organization_id)
        self._repository = RunRepository(ports.database, caller.organization_id)

    async def start(self, request: ChatRequest) -> Run | Joined:
        """Begin to answer, or find the run that the same request began before.

        The user's message is durable when this returns.

        Raises:
            AgentNotFound, AgentInactive, ConversationNotFound: there is nobody to talk to.
            UnknownModel, ProviderNotConfigured: the model cannot be used.
            ScopeMissing, VisitorsOnlyAsk: the caller may not ask for that.
            IdempotencyKeyReused: the key belongs to a different request.
            BudgetExceeded, PriceUnknown: a budget does not allow it, or cannot be checked.
            ServerStopping: this process takes nothing new.
        """
        self._engine.refuse_when_stopping()
        body = asked_by(self._caller, request.agent_id, request.body)
        request = replace(request, body=body)
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
        models = await self._models.usable_of([model_id, *agent.fallback_model_ids])
        chosen = await self._settings.of(self._caller.organization_id)
        begin = self._begin(request, agent, model_id, chosen)
        plan = await self._plan(begin, agent, models, body)
        plan, beginning = await self._begun(begin, plan, chosen)
        match beginning:
            case Joined() as joined:
                return joined
            case Started(stored, earlier_calls, unanswered, reserved):
                if plan.purse is not None and reserved is not None:
                    plan.purse.fill(reserved)
        plan = replace(
            plan,
            instructions=instructions_of(agent, body, stored),
            history=stored + plan.history,
            earlier_calls=earlier_calls,
            unanswered=unanswered,
        )
        knowledge = KnowledgeService(self._ports, self._caller)
        return self._engine.start(begin.ids, plan, knowledge, request.request_id)

    async def _begun(
        self, begin: RunBegin, plan: TurnPlan, chosen: Chosen
    ) -> tuple[TurnPlan, Started | Joined]:
        """What became of the beginning; a person who goes on costs no tokens.

        Raises:
            BudgetExceeded, PriceUnknown: as `start` does.
        """
        if plan.handover is not None:
            return plan, await self._repository.start(begin)
        try:
            bounded, spending = self._bounded(begin, plan, chosen)
            return spending, await self._repository.start(bounded)
        except BudgetExceeded:
            if not plan.agent.handoff.on_usage_limit:
                raise
            return replace(plan, handover=USAGE_LIMIT), await self._repository.start(begin)

    async def _plan(
        self, begin: RunBegin, agent: Agent, models: list[ResolvedModel], body: ChatCreate
    ) -> TurnPlan:
        """The turn as far as it is known before the stored history is read."""
        hands = await run_hands(
            self._ports,
            begin.ids,
            owner_id=self._engine.process_id,
            visitor_id=begin.visitor_id,
            language=agent.language,
            handoff=agent.handoff,
        )
        return TurnPlan(
            conversation_id=begin.ids.conversation_id,
            agent=agent,
            model=models[0],
            fallbacks=models[1:],
            instructions=instructions_of(agent, body, []),
            history=sent_history(body),
            question=body.question,
            context_data=body.context_data,
            temperature=agent.temperature if body.temperature is None else body.temperature,
            max_tokens=body.max_tokens or agent.max_tokens,
            on_disconnect=body.on_disconnect,
            hands=hands if hands.specs else None,
            handover=handed_over_at_once(agent, body.question),
        )

    def _bounded(
        self, begin: RunBegin, plan: TurnPlan, chosen: Chosen
    ) -> tuple[RunBegin, TurnPlan]:
        """The same beginning under the budgets that hold, and the turn with a purse where some do.

        Raises:
            PriceUnknown: one is in USD, and what the model costs is not known.
            BudgetExceeded: it is more than one run may use.
        """
        now = self._ports.clock.now()
        bounds = bounds_of(chosen, self._caller, plan.agent, visitor_id=begin.visitor_id, now=now)
        if not bounds:
            return begin, plan
        bounds.refuse_unpriced(plan.model)
        purse = Purse(
            budget=bounds.run,
            price=plan.model.price,
            extend=partial(
                self._repository.extend_budget, begin.ids.run_id, owner_id=begin.owner_id
            ),
            is_reserved=bool(bounds.rules),
        )
        input_tokens = expected_input(plan)
        purse.fits_the_run(input_tokens)
        begin = replace(begin, budget=bounds.row(plan, input_tokens=input_tokens))
        return begin, replace(plan, purse=purse, fallbacks=bounds.priced(plan.fallbacks))

    def watch(self, run: Run) -> Callable[[Tap], AsyncGenerator[bytes]]:
        """The whole stream of a run that has begun here, as it is made."""
        if run.may_wait:
            return partial(Viewing(self._ports, self._repository).watch, run)
        return lambda tap: run.buffer.follow(tap=tap)

    def follow(self, run: StoredRun, *, waits: bool = True) -> AsyncGenerator[bytes]:
        """The whole stream of a run that was joined; without `waits`, up to where it waits."""
        viewing = Viewing(self._ports, self._repository)
        return viewing.follow(run, after=0, whole=True, waits=waits)

    def _begin(self, request: ChatRequest, agent: Agent, model_id: str, chosen: Chosen) -> RunBegin:
        body = request.body
        rows = [
            {"id": new_id(), "role": m.role, "content": m.content, "status": "complete"}
            for m in [*sent_history(body), Message("user", body.question)]
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
            history_limit=chosen.conversation_history_limit,
            key=self._key(request),
            counts_unanswered=agent.handoff.after_unanswered is not None,
        )

    def _key(self, request: ChatRequest) -> RunKey | None:
        if request.key is None:
            return None
        fields = request.body.model_dump(mode="json")
        actor = self._caller.actor
        return RunKey(
            kept_key(self._caller, request.key),
            fingerprint(actor=actor, route=request.route, body=fields),
        )
