"""Who answers a message: the agent, until a person is asked for; or a person from the start."""

from collections.abc import AsyncGenerator

from app.features.agents.schemas import Agent
from app.features.chat.events import TurnEvent
from app.features.chat.handing_over import HandoffWatch, handed_over, handing_over
from app.features.chat.handoff import HandoffAsked, names_a_keyword
from app.features.chat.turn import TurnPlan, turn
from app.features.knowledge.service import KnowledgeService


def handed_over_at_once(agent: Agent, question: str) -> HandoffAsked | None:
    """Whether the visitor asks for a person in words that the agent's rules know."""
    if not names_a_keyword(question, agent.handoff.keywords):
        return None
    return HandoffAsked(reason="customer_request", requested_by="rule")


def led(plan: TurnPlan, knowledge: KnowledgeService) -> AsyncGenerator[TurnEvent]:
    """The events of one answer, as `turn` has them, by the agent's rules for handing over."""
    agent = plan.agent
    if plan.handover is not None:
        return handed_over(plan.handover, agent.language)
    watch = HandoffWatch(
        rules=agent.handoff,
        language=agent.language,
        unanswered=plan.unanswered if agent.knowledge_base_ids else None,
    )
    return handing_over(turn(plan, knowledge), watch)
