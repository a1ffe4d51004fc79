"""Routes under /api/v2/agents/{agent_id}/tools."""

from typing import Annotated, cast

from fastapi import Body, Depends, Path, Response
from fastapi.openapi.models import Example

from app.core.ids import AgentId
from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id
from app.features.agents.errors import AgentNotFound
from app.features.tools.bodies import EXAMPLES, ToolCreate, ToolTest, ToolUpdate
from app.features.tools.errors import (
    ToolChangedMeanwhile,
    ToolConfigInvalid,
    ToolLimitReached,
    ToolNameTaken,
    ToolNotFound,
)
from app.features.tools.schemas import Tool, ToolError, ToolTested
from app.features.tools.service import ToolService
from app.web.auth import AgentsReader, AgentsWriter
from app.web.deadlines import at_its_own_pace
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("tools", prefix="/api/v2/agents/{agent_id}/tools")
AgentPathId = Annotated[Id, Path(description="The agent's id.")]
ToolPathId = Annotated[Id, Path(description="The tool's id.")]
OfAnyKind = Annotated[ToolCreate, Body(openapi_examples=cast("dict[str, Example]", EXAMPLES))]


async def _readable(ports: OpenPorts, caller: AgentsReader) -> ToolService:
    return ToolService(ports, caller)


async def _writable(ports: OpenPorts, caller: AgentsWriter) -> ToolService:
    return ToolService(ports, caller)


Readable = Annotated[ToolService, Depends(_readable)]
Writable = Annotated[ToolService, Depends(_writable)]


@router.get("", summary="List an agent's tools", responses=problems(AgentNotFound, InvalidCursor))
async def list_tools(
    agent_id: AgentPathId,
    ports: OpenPorts,
    caller: AgentsReader,
    tools: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[Tool]:
    """Tools, newest first."""
    pages = cursors(ports, caller, "tools", agent_id)
    rows = await tools.page(AgentId(agent_id), limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda tool: tool.id)


@router.post(
    "",
    status_code=201,
    summary="Create a tool",
    responses=problems(AgentNotFound, ToolNameTaken, ToolLimitReached, ToolConfigInvalid),
)
async def create_tool(
    agent_id: AgentPathId, body: OfAnyKind, tools: Writable, response: Response
) -> Tool:
    """A tool of one of the kinds that `GET /api/v2/tools/kinds` lists; running chats get it soon.

    Secrets in `config` are kept encrypted and never read out again.
    """
    tool = await tools.create(AgentId(agent_id), body.root)
    response.headers["Location"] = f"/api/v2/agents/{agent_id}/tools/{tool.id}"
    return tool


@router.get("/{tool_id}", summary="Read a tool", responses=problems(ToolNotFound))
async def get_tool(agent_id: AgentPathId, tool_id: ToolPathId, tools: Readable) -> Tool:
    """One tool; in place of a secret stands whether it is set."""
    return await tools.get(AgentId(agent_id), tool_id)


@router.put(
    "/{tool_id}",
    summary="Replace a tool",
    responses=problems(ToolNotFound, ToolNameTaken, ToolConfigInvalid, ToolChangedMeanwhile),
)
async def replace_tool(
    agent_id: AgentPathId, tool_id: ToolPathId, body: OfAnyKind, tools: Writable
) -> Tool:
    """The whole tool, of the same type; what is left out goes, secrets too."""
    return await tools.replace(AgentId(agent_id), tool_id, body.root)


@router.patch(
    "/{tool_id}",
    summary="Change a tool",
    responses=problems(ToolNotFound, ToolNameTaken, ToolConfigInvalid, ToolChangedMeanwhile),
)
async def update_tool(
    agent_id: AgentPathId, tool_id: ToolPathId, body: ToolUpdate, tools: Writable
) -> Tool:
    """The sent fields only. A sent `config` is the whole of it, but secrets left out are kept."""
    return await tools.update(AgentId(agent_id), tool_id, body)


@router.delete(
    "/{tool_id}", status_code=204, summary="Delete a tool", responses=problems(ToolNotFound)
)
async def delete_tool(agent_id: AgentPathId, tool_id: ToolPathId, tools: Writable) -> None:
    """The tool. A run that has begun may still use it."""
    await tools.delete(AgentId(agent_id), tool_id)


@router.post(
    "/{tool_id}/test",
    summary="Try a tool",
    responses=problems(ToolNotFound, ToolConfigInvalid),
)
@at_its_own_pace
async def test_tool(
    agent_id: AgentPathId, tool_id: ToolPathId, body: ToolTest, tools: Writable
) -> ToolTested:
    """Call the tool once, truly, in no conversation. That the call failed is a result, too.

    Where a person must approve its calls, the scope `conversations:write` is needed as well.
    """
    outcome = await tools.test(AgentId(agent_id), tool_id, body.arguments)
    error = outcome.error
    return ToolTested(
        status=outcome.status,
        result=outcome.result,
        error=None if error is None else ToolError(code=error.code, detail=error.detail),
        duration_ms=outcome.duration_ms,
        trace=outcome.trace,
    )


FEATURE = Feature("tools", router)
