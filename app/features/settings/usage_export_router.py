"""What answers have used and cost, one by one: GET /api/v2/settings/usage/export."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import StreamingResponse

from app.core.schemas import Id, Moment, Resource, Timestamp, example, example_of, rfc3339
from app.ports.store import Scope
from app.web.auth import SettingsReader
from app.web.deps import OpenPorts
from app.web.exports import Columns, Delimiter, Format, columns, export_answer, export_response
from app.web.exports import lines as lines_of
from app.web.routing import Feature, room_router

router = room_router("settings", prefix="/api/v2/settings/usage")
AT_ONCE = 200
ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class UsedByRun(Resource):
    """What one answer has used; null is what is not known."""

    model_config = example(
        run_id=ID,
        started_at="2026-11-23T20:17:00.123Z",
        ended_at="2026-11-23T20:17:04.456Z",
        status="completed",
        agent_id=ID,
        agent_version=3,
        conversation_id=ID,
        message_id=ID,
        provider="openai",
        model="gpt-4o-mini",
        input_tokens=812,
        output_tokens=24,
        cached_tokens=0,
        is_estimated=False,
        cost_usd=0.0001362,
    )

    run_id: Id
    started_at: Timestamp
    ended_at: Timestamp | None
    status: str
    agent_id: Id
    agent_version: int
    conversation_id: Id
    message_id: Id
    provider: str | None
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    is_estimated: bool
    cost_usd: float | None


async def _filters(
    agent_id: Annotated[Id | None, Query(description="By this agent.")] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Begun at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Begun before this moment.")] = None,
) -> dict[str, Any]:
    bounds = {"from": from_ and rfc3339(from_), "to": to and rfc3339(to)}
    return bounds | {"agent_id": agent_id}


async def _pages(scope: Scope, where: dict[str, Any]) -> AsyncIterator[list[UsedByRun]]:
    after: str | None = None
    while True:
        rows = await scope.call("usage_export_v1", where=where, limit=AT_ONCE, after=after)
        yield [UsedByRun.model_validate(row) for row in rows]
        if len(rows) < AT_ONCE:
            return
        after = rows[-1]["run_id"]


@router.get(
    "/export",
    summary="Export usage",
    response_class=StreamingResponse,
    responses=export_answer(Columns(list(UsedByRun.model_fields)), example_of(UsedByRun)),
)
async def export_usage(
    ports: OpenPorts,
    caller: SettingsReader,
    where: Annotated[dict[str, Any], Depends(_filters)],
    format: Format = "csv",
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """Tokens and cost of every answer, oldest first, streamed; unknown is empty, and never 0.

    An export that fails on its way ends with a line that says so, and without the end of the
    response.
    """
    sheet = columns(list(UsedByRun.model_fields), format, delimiter)
    pages = _pages(ports.database.scoped(caller.organization_id), where)
    return await export_response("usage", lines_of(pages, sheet), format)


FEATURE = Feature("usage_export", router)
