"""Routes under /api/v2/agents."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from app.core.ids import AgentId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import DigitsOnly, Id, TrueOrFalse
from app.features.agents.errors import (
    AgentNotFound,
    AgentVersionMismatch,
    AgentVersionNotFound,
    UnknownKnowledgeBases,
)
from app.features.agents.schemas import (
    Agent,
    AgentCreate,
    AgentReplace,
    AgentUpdate,
    AgentVersion,
)
from app.features.agents.service import AgentService
from app.ports.llm import UnknownModel
from app.web.auth import AgentsReader, AgentsWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.etags import IfMatch, etag, expected_versions
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("agents", prefix="/api/v2/agents")
PathId = Annotated[Id, Path(description="The agent's id.")]


async def _readable(ports: OpenPorts, caller: AgentsReader) -> AgentService:
    return AgentService(ports, caller)


async def _writable(ports: OpenPorts, caller: AgentsWriter) -> AgentService:
    return AgentService(ports, caller)


Readable = Annotated[AgentService, Depends(_readable)]
Writable = Annotated[AgentService, Depends(_writable)]


@router.get("", summary="List agents", responses=problems(InvalidCursor))
async def list_agents(
    ports: OpenPorts,
    caller: AgentsReader,
    agents: Readable,
    q: Annotated[str | None, Query(max_length=200, description="In name or description.")] = None,
    is_active: Annotated[
        bool | None, Query(description="Only those that are switched on, or off."), TrueOrFalse
    ] = None,
    agent_id: Annotated[Id | None, Query(description="Only this one.")] = None,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Agent]:
    """Agents, newest first. Words are found whatever their accents and case."""
    pages = cursors(ports, caller, "agents", q, is_active, agent_id)
    only = {"id": agent_id, "is_active": is_active}
    where = {name: value for name, value in only.items() if value is not None}
    rows = await agents.page(limit=limit + 1, after=pages.open(cursor), q=q, where=where)
    return pages.page(rows, limit, lambda agent: agent.id)


@router.post(
    "",
    status_code=201,
    summary="Create an agent",
    responses=problems(UnknownModel, UnknownKnowledgeBases),
)
async def create_agent(body: AgentCreate, agents: Writable, response: Response) -> Agent:
    """A new agent at version 1."""
    agent = await agents.create(body)
    response.headers.update({"Location": f"/api/v2/agents/{agent.id}"} | etag(agent.version))
    return agent


@router.get("/{agent_id}", summary="Read an agent", responses=problems(AgentNotFound))
async def get_agent(agent_id: PathId, agents: Readable, response: Response) -> Agent:
    """One agent; `ETag` is its version."""
    agent = await agents.get(AgentId(agent_id))
    response.headers.update(etag(agent.version))
    return agent


@router.put(
    "/{agent_id}",
    summary="Replace an agent",
    responses=problems(AgentNotFound, AgentVersionMismatch, UnknownModel, UnknownKnowledgeBases),
)
async def replace_agent(
    agent_id: PathId,
    body: AgentReplace,
    agents: Writable,
    response: Response,
    if_match: IfMatch = None,
) -> Agent:
    """The whole agent; fields that are left out go back to their defaults."""
    agent = await agents.replace(
        AgentId(agent_id), body, expected_versions=expected_versions(if_match)
    )
    response.headers.update(etag(agent.version))
    return agent


@router.patch(
    "/{agent_id}",
    summary="Change an agent",
    responses=problems(AgentNotFound, AgentVersionMismatch, UnknownModel, UnknownKnowledgeBases),
)
async def update_agent(
    agent_id: PathId,
    body: AgentUpdate,
    agents: Writable,
    response: Response,
    if_match: IfMatch = None,
) -> Agent:
    """The sent fields only. A change makes a new version; sending what is there does not."""
    agent = await agents.update(
        AgentId(agent_id), body, expected_versions=expected_versions(if_match)
    )
    response.headers.update(etag(agent.version))
    return agent


@router.delete(
    "/{agent_id}",
    status_code=204,
    summary="Delete an agent",
    responses=problems(AgentNotFound, AgentVersionMismatch),
)
async def delete_agent(agent_id: PathId, agents: Writable, if_match: IfMatch = None) -> None:
    """The agent with its versions. Its conversations stay."""
    await agents.delete(AgentId(agent_id), expected_versions=expected_versions(if_match))


@router.get(
    "/{agent_id}/versions",
    summary="List an agent's versions",
    responses=problems(AgentNotFound, InvalidCursor),
)
async def list_agent_versions(
    agent_id: PathId,
    ports: OpenPorts,
    caller: AgentsReader,
    agents: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[AgentVersion]:
    """Versions, newest first. They never change."""
    pages = cursors(ports, caller, "agent_versions", agent_id)
    before = pages.open(cursor)
    rows = await agents.versions(
        AgentId(agent_id), limit=limit + 1, before=None if before is None else int(before)
    )
    return pages.page(rows, limit, lambda row: str(row.version))


@router.post(
    "/{agent_id}/versions/{version}/restore",
    summary="Restore a version",
    responses=problems(AgentNotFound, AgentVersionNotFound),
)
@done_once
async def restore_agent_version(
    agent_id: PathId,
    version: Annotated[int, Path(ge=1, le=2_000_000_000, description="Its number."), DigitsOnly],
    agents: Writable,
    response: Response,
) -> Agent:
    """The agent as it was, under a new version number."""
    agent = await agents.restore(AgentId(agent_id), version)
    response.headers.update(etag(agent.version))
    return agent


FEATURE = Feature("agents", router)
