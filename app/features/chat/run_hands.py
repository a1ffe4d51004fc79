"""The tools of an agent in the hands of one run, as this process has them."""

from app.features.agents.rules import HandoffRules
from app.features.chat.handoff_tool import HandoffTool, HandoffToolbox
from app.features.chat.hands import Hands
from app.features.chat.ledger import StoredLedger
from app.features.chat.records import RunIds
from app.features.chat.toolbox import Tool
from app.features.tools.runner import ToolRunner
from app.features.tools.service import active_tools
from app.ports import Ports


async def run_hands(
    ports: Ports,
    ids: RunIds,
    *,
    owner_id: str,
    visitor_id: str | None,
    language: str,
    handoff: HandoffRules,
) -> Hands:
    """The active tools of the run's agent, which may be none."""
    tools: list[Tool] = [*await active_tools(ports, ids.organization_id, ids.agent_id)]
    # A tool of the agent's own keeps its name.
    if handoff.by_model and all(tool.name != HandoffTool.name for tool in tools):
        tools.append(HandoffTool())
    return Hands(
        HandoffToolbox(ToolRunner(ports, ids.organization_id)),
        tools,
        StoredLedger(ports.database, ids, owner_id),
        ids,
        visitor_id=visitor_id,
        language=language,
        handoff=handoff,
    )
