"""What bounds the spending of a run that is about to begin."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.core.ids import AgentId
from app.features.agents.schemas import Agent
from app.features.chat.errors import PriceUnknown
from app.features.chat.prompt import CHARS_PER_TOKEN
from app.features.chat.turn import TurnPlan
from app.features.organizations import budgets
from app.features.organizations.budgets import RunBudget
from app.features.organizations.chosen import Chosen
from app.ports.llm import ResolvedModel
from app.web.auth import Caller

# What we tell a model beside an agent's instructions, and what a passage takes at most in practice.
OWN_TOKENS = 300
PASSAGE_TOKENS = 600


@dataclass(frozen=True, slots=True)
class Bounds:
    """Rules that the database counts by, and what the run itself may use."""

    rules: list[dict[str, Any]]
    run: RunBudget

    def __bool__(self) -> bool:
        return bool(self.rules) or self.run.tokens is not None or self.run.micro_usd is not None

    def refuse_unpriced(self, model: ResolvedModel) -> None:
        """A budget in USD says nothing of a model whose price is unknown, so that it is not asked.

        Raises:
            PriceUnknown: there is such a budget.
        """
        if (named := self._in_usd) and model.price is None:
            raise PriceUnknown(
                "Set its price under /api/v2/models/{model_id}/prices, or a budget in tokens in"
                " place of the one in USD.",
                budgets=named,
            )

    def priced(self, models: list[ResolvedModel]) -> list[ResolvedModel]:
        """Those that may be asked: all, or where a budget is in USD, those of known price."""
        return [model for model in models if model.price is not None or not self._in_usd]

    @property
    def _in_usd(self) -> list[str]:
        named = [rule["name"] for rule in self.rules if rule["unit"] == "usd"]
        return named if self.run.micro_usd is None else [*named, "run_usd"]

    def row(self, plan: TurnPlan, *, input_tokens: int) -> dict[str, Any] | None:
        """What `run_start_v4` is told; None where the database has nothing to count."""
        if not self.rules:
            return None
        rates = None if plan.model.price is None else plan.model.price.rates
        return {
            "rules": self.rules,
            "input_tokens": input_tokens,
            "window_tokens": max(input_tokens, plan.model.context_window),
            "max_tokens": plan.max_tokens,
            "input_rate": rates and rates.input,
            "output_rate": rates and rates.output,
        }


def bounds_of(
    chosen: Chosen, caller: Caller, agent: Agent, *, visitor_id: str | None, now: datetime
) -> Bounds:
    """All that bounds an answer of this agent."""
    rules = budgets.rules(chosen, now, agent_id=AgentId(agent.id), visitor_id=visitor_id)
    if caller.visitor is not None:
        rules += budgets.widget_rules(chosen, now, caller.visitor.budget)
    return Bounds(rules, budgets.run_budget(chosen, agent_usd=agent.guardrails.max_cost_usd))


def expected_input(plan: TurnPlan) -> int:
    """How many tokens a model may read before anything is looked up, rather too many than too few.

    The stored history is not among them: the database adds it.
    """
    tools = () if plan.hands is None else plan.hands.specs
    chars = len(plan.question) + sum(map(len, plan.instructions))
    chars += len(orjson.dumps(plan.context_data))
    chars += sum(len(message.content) for message in plan.history)
    chars += sum(len(spec.description) + len(orjson.dumps(spec.parameters)) for spec in tools)
    looked_up = plan.agent.retrieval.top_k if plan.agent.knowledge_base_ids else 0
    return chars // CHARS_PER_TOKEN + OWN_TOKENS + looked_up * PASSAGE_TOKENS
