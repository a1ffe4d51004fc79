"""A person's decisions on calls that wait, and the run that goes on after the last of them."""

from functools import partial

from app.core.errors import Problem
from app.core.ids import AgentId, RunId
from app.features.agents.rules import HandoffRules
from app.features.agents.service import AgentService
from app.features.chat.engine import RunEngine
from app.features.chat.errors import (
    AlreadyDecided,
    ApprovalExpired,
    ArgumentsInvalid,
    CallNotFound,
    RunNotFound,
)
from app.features.chat.going_on import Means
from app.features.chat.purse import Purse, PurseState
from app.features.chat.repository import RunRepository
from app.features.chat.run_hands import run_hands
from app.features.chat.schemas import ApprovalDecision, PendingCall
from app.features.chat.terms import RunTerms
from app.features.chat.wait_repository import Decision, Refusal, TakenRun, WaitRepository
from app.features.models.known import KnownModels
from app.features.tools.active import ActiveTool
from app.features.tools.errors import ToolChangedMeanwhile
from app.features.tools.kinds.kind import ToolFailed
from app.features.tools.runner import ToolRunner
from app.features.tools.service import active_tools
from app.ports import Ports
from app.ports.llm import ResolvedModel
from app.web.auth import Caller


class ApprovalService:
    """The waiting calls of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller, engine: RunEngine) -> None:
        self._ports, self._caller, self._engine = ports, caller, engine
        self._waits = WaitRepository(ports.database, caller.organization_id)

    async def pending(self, run_id: RunId) -> list[PendingCall]:
        """The calls of a run on which a person has to decide, oldest first."""
        return [PendingCall.model_validate(row) for row in await self._waits.calls(run_id)]

    async def decide(
        self,
        agent_id: AgentId,
        run_id: RunId,
        call_id: str,
        body: ApprovalDecision,
        *,
        request_id: str | None,
    ) -> None:
        """Decide on a call, once. The last decision of a run lets it go on at this process.

        Raises:
            RunNotFound, CallNotFound: there is no such call.
            AlreadyDecided, ApprovalExpired: somebody was quicker, or nobody quick enough.
            ArgumentsInvalid: the changed arguments do not fit the tool.
            ToolChangedMeanwhile: it is not the tool any more that was asked for; the call fails.
            ServerStopping: this process takes nothing new.
        """
        self._engine.refuse_when_stopping()
        is_changed = not await self._fits(agent_id, run_id, call_id, body)
        decision = Decision(
            agent_id=agent_id,
            run_id=run_id,
            call_id=call_id,
            verdict="denied" if is_changed or body.decision == "deny" else "approved",
            arguments=None if is_changed else body.arguments,
            actor=self._caller.actor,
        )
        match await self._waits.decide(decision, owner_id=self._engine.process_id):
            case None:
                pass
            case TakenRun() as taken:
                await self._go_on(taken, request_id)
            case refusal:
                raise _problem(refusal)
        if is_changed:
            raise ToolChangedMeanwhile("The call is not made; the agent may ask for it anew.")

    async def _go_on(self, taken: TakenRun, request_id: str | None) -> None:
        state = taken.state["turn"]
        hands = await run_hands(
            self._ports,
            taken.run.ids,
            owner_id=self._engine.process_id,
            visitor_id=state["visitor_id"],
            language=state["language"],
            handoff=await self._handoff(taken.run.agent_id),
        )
        known = KnownModels(self._ports, self._caller.organization_id)
        purse = self._purse(taken)
        fallbacks = await _fallbacks(known, state.get("fallback_ids", []), purse)
        means = Means(await known.by_own_keys(), purse, fallbacks)
        self._engine.go_on(taken, hands, means, request_id)

    def _purse(self, taken: TakenRun) -> Purse | None:
        kept = taken.state["turn"].get("purse")
        if kept is None:
            return None
        repository = RunRepository(self._ports.database, self._caller.organization_id)
        extend = partial(repository.extend_budget, taken.run.id, owner_id=self._engine.process_id)
        return Purse.read(PurseState(**kept), RunTerms.read(taken.state["terms"]).price, extend)

    async def _handoff(self, agent_id: AgentId) -> HandoffRules:
        try:
            return (await AgentService(self._ports, self._caller).current(agent_id)).handoff
        except Problem:
            return HandoffRules()  # nothing may fail any more: the run is ours to go on with

    async def _fits(
        self, agent_id: AgentId, run_id: RunId, call_id: str, body: ApprovalDecision
    ) -> bool:
        """Whether an approval would call the tool that was asked for, with arguments that fit."""
        # Before the decision counts, as nothing may fail between it and the run that goes on.
        tools = await active_tools(
            self._ports, self._caller.organization_id, agent_id, is_fresh=True
        )
        if body.decision == "deny":
            return True
        waiting = await self._waits.waiting_calls(run_id)
        call = next((one for one in waiting if one.id == call_id), None)
        if call is None:
            return True  # there is no such call, as the database will say
        tool = next((one for one in tools if one.id == call.tool_id), None)
        if tool is None or not call.is_of(tool):
            return False
        if body.arguments is not None:
            self._check(tool, body.arguments)
        return True

    def _check(self, tool: ActiveTool, arguments: dict[str, object]) -> None:
        try:
            ToolRunner(self._ports, self._caller.organization_id).check(tool, dict(arguments))
        except ToolFailed as failure:
            error = {"pointer": "/arguments", "detail": failure.detail}
            raise ArgumentsInvalid(failure.detail, errors=[error]) from None


async def _fallbacks(
    known: KnownModels, model_ids: list[str], purse: Purse | None
) -> list[ResolvedModel]:
    """Those that can still be asked; of unknown price only where nobody counts what they cost."""
    try:
        usable = await known.usable_of(model_ids) if model_ids else []
    except Problem:
        return []  # nothing may fail any more
    return [model for model in usable if purse is None or model.price is not None]


def _problem(refusal: Refusal) -> Exception:
    match refusal:
        case "run_not_found":
            return RunNotFound()
        case "call_not_found":
            return CallNotFound()
        case "expired":
            return ApprovalExpired("The answer ends, and the call is not made.")
        case "decided":
            return AlreadyDecided("Read the run to see what became of it.")
