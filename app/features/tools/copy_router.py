"""The route that copies an agent with its tools."""

from typing import Annotated

from fastapi import Path, Response

from app.core.ids import AgentId
from app.core.schemas import Id
from app.features.agents.errors import AgentNotFound
from app.features.agents.schemas import Agent
from app.features.agents.service import AgentService
from app.features.tools.service import ToolService
from app.web.auth import AgentsWriter
from app.web.deps import OpenPorts
from app.web.etags import etag
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("agents", prefix="/api/v2/agents")


@router.post(
    "/{agent_id}/duplicate",
    status_code=201,
    summary="Duplicate an agent",
    responses=problems(AgentNotFound),
)
async def duplicate_agent(
    agent_id: Annotated[Id, Path(description="The agent's id.")],
    ports: OpenPorts,
    caller: AgentsWriter,
    response: Response,
) -> Agent:
    """A copy at version 1, its name marked as one, with copies of its tools and their secrets."""
    tools = await ToolService(ports, caller).copies(AgentId(agent_id))
    agent = await AgentService(ports, caller).duplicate(AgentId(agent_id), tools=tools)
    response.headers.update({"Location": f"/api/v2/agents/{agent.id}"} | etag(agent.version))
    return agent


FEATURE = Feature("agent copies", router)
